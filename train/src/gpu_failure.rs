//! Classifies GPU failures: too little memory, or a GPU that no longer works.

use nasprof_torch::{caught_of_libtorch, cuda};

use crate::error::SearchError;
use crate::supernet::NetworkError;

/// Words in the error messages of libtorch and its libraries about GPU failures.
const OF_A_GPU: [&str; 2] = ["CUDA", "cuDNN"];
const MEMORY: &str = "out of memory";

/// The result of a search or training on the GPU of this process. libtorch's failures are errors, also where its bindings
/// panic, and say what became of the GPU.
///
/// # Errors
/// That of `run`; [`SearchError::GpuMemory`] and [`SearchError::GpuLost`] for failures of the GPU.
pub fn on_this_gpu<T>(run: impl FnOnce() -> Result<T, SearchError>) -> Result<T, SearchError> {
    let result = caught_of_libtorch(run).unwrap_or_else(|problem| Err(NetworkError::Torch(problem).into()));
    result.map_err(|error| classified(error, cuda::works))
}

/// Classifies an error of a run. After some CUDA errors every later call of the process fails; `works` tests this.
pub(crate) fn classified(error: SearchError, works: impl FnOnce() -> Result<(), String>) -> SearchError {
    let (SearchError::Network(_) | SearchError::Searcher(_)) = error else { return error };
    let words = error.to_string();
    if !OF_A_GPU.iter().any(|name| words.contains(name)) {
        return error;
    }
    match works() {
        Err(problem) if words.contains(&problem) => SearchError::GpuLost(format!("the GPU no longer works: {words}")),
        Err(problem) => SearchError::GpuLost(format!("the GPU no longer works: {words}: {problem}")),
        Ok(()) if words.contains(MEMORY) => SearchError::GpuMemory(words),
        Ok(()) => error,
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    fn layer(message: &str) -> SearchError {
        NetworkError::Layer { node: "stem/conv".to_owned(), message: message.to_owned() }.into()
    }

    fn gone() -> Result<(), String> {
        Err("CUDA: unspecified launch failure (error 719)".to_owned())
    }

    #[test]
    fn a_lost_gpu_is_told_from_too_little_memory() {
        let memory = classified(layer("CUDA out of memory. Tried to allocate 20.00 MiB"), || Ok(()));
        assert!(matches!(&memory, SearchError::GpuMemory(words) if words.contains("stem/conv")), "{memory}");
        assert!(memory.hint().unwrap().contains("training.mini_batch"));
        for error in [layer("CUDA error: unspecified launch failure"), SearchError::Searcher("CUDA: x".to_owned())] {
            let lost = classified(error, gone);
            assert!(lost.to_string().starts_with("the GPU no longer works: "), "{lost}");
            assert!(matches!(lost, SearchError::GpuLost(_)) && lost.to_string().contains("719"), "{lost}");
        }
        let cudnn = classified(layer("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), gone);
        assert!(matches!(cudnn, SearchError::GpuLost(_)), "{cudnn}");
    }

    #[test]
    fn what_the_bindings_panic_with_is_an_error_of_libtorch() {
        let full = || Ok(Tensor::f_full([1 << 50], 0.5, (Kind::Float, Device::Cpu))?);
        let error = on_this_gpu(full).unwrap_err();
        assert!(matches!(&error, SearchError::Network(_)), "{error}");
        assert!(error.to_string().contains("can't allocate memory"), "{error}");
        // The control: what succeeds is left alone.
        assert_eq!(on_this_gpu(|| Ok(1)).unwrap(), 1);
    }

    /// The controls: what a GPU refuses and survives, what has nothing to do with one, and what is no failure of computing.
    #[test]
    fn other_errors_stay_what_they_are() {
        assert!(matches!(classified(layer("CUDA error: no kernel image"), || Ok(())), SearchError::Network(_)));
        let asked = || panic!("a GPU is asked for an error of the CPU");
        assert!(matches!(classified(layer("out of memory"), asked), SearchError::Network(_)));
        assert!(matches!(classified(SearchError::GpuMemory("CUDA".to_owned()), asked), SearchError::GpuMemory(_)));
    }
}
