//! Tells a lost GPU from a request that fails.

use nasprof_profiler::protocol::DeviceError;

use super::runtime::Runtime;

/// The error of a failed request, and whether the GPU works after it. Some CUDA errors affect only one call, such as too
/// little memory. After others, such as a GPU that fell off the bus, every call of the process fails, so no layer is to
/// blame.
pub(super) fn of_request(words: String, works: Result<(), String>) -> DeviceError {
    match works {
        Ok(()) => DeviceError::Refused(words),
        Err(problem) if words.contains(&problem) => DeviceError::Lost(format!("the GPU no longer works: {words}")),
        Err(problem) => DeviceError::Lost(format!("the GPU no longer works: {words}: {problem}")),
    }
}

/// The error of a failed setup for a session. A GPU that is there and does not work is lost, and so is one that is not there
/// any more although an earlier session used it.
pub(super) fn of_setup(words: String, gpu: u32, session: u32) -> DeviceError {
    let Ok(runtime) = Runtime::find() else { return DeviceError::Refused(words) };
    match runtime.device_count() {
        Ok(count) if gpu < count => of_request(words, runtime.works()),
        // Without a driver there has never been one.
        _ if session > 0 && runtime.has_driver() => DeviceError::Lost(words),
        _ => DeviceError::Refused(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Too little memory is of one layer; a GPU that answers nothing any more is lost, and no layer is to blame.
    #[test]
    fn a_lost_gpu_is_told_from_a_layer_that_fails() {
        let memory = "CUDA out of memory. Tried to allocate 2.00 GiB";
        assert!(matches!(of_request(memory.to_owned(), Ok(())), DeviceError::Refused(words) if words == memory));
        let lost = of_request("launch failed".to_owned(), Err("CUDA: device unavailable (error 46)".to_owned()));
        assert!(matches!(&lost, DeviceError::Lost(words) if words.contains("launch failed") && words.contains("46")));
    }

    /// On a machine without a driver nothing can be lost: what is wrong is how it was asked.
    #[test]
    fn a_gpu_that_never_was_is_not_lost() {
        drop(tch::Tensor::from(1.0_f32));
        if Runtime::find().is_ok_and(|runtime| !runtime.has_driver()) {
            assert!(matches!(of_setup("no driver".to_owned(), 0, 3), DeviceError::Refused(_)));
        }
    }
}
