//! Execution providers, which run the nodes. The back end's name selects one after its colon.

use nasprof_profiler::protocol::Precision;
use ort::ep::{self, ExecutionProviderDispatch};

/// An execution provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Cpu,
    Cuda,
    TensorRt,
    Xnnpack,
    OpenVino,
    Acl,
    Qnn,
}

/// Prefix of the back end's name.
const BACKEND: &str = "onnxruntime";

impl Provider {
    const ALL: [(&'static str, Self); 7] = [
        ("cpu", Self::Cpu),
        ("cuda", Self::Cuda),
        ("tensorrt", Self::TensorRt),
        ("xnnpack", Self::Xnnpack),
        ("openvino", Self::OpenVino),
        ("acl", Self::Acl),
        ("qnn", Self::Qnn),
    ];

    /// The provider of a back end `onnxruntime` or `onnxruntime:PROVIDER`; `None` for another back end.
    pub(crate) fn of_backend(backend: &str) -> Option<Result<Self, String>> {
        let Some(name) = backend.strip_prefix(BACKEND)?.strip_prefix(':') else {
            return (backend == BACKEND).then_some(Ok(Self::Cpu));
        };
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        Some(known.map(|&(_, provider)| provider).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|&(name, _)| name).collect();
            format!("unknown back end `{backend}`: the provider must be one of {}", names.join(", "))
        }))
    }

    /// Its name after the colon.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|&&(_, provider)| provider == self).map_or("cpu", |&(name, _)| name)
    }

    /// Checks that networks can be measured with it in a precision.
    ///
    /// # Errors
    /// If they cannot; the error states why.
    pub(crate) fn check(self, precision: Precision) -> Result<(), String> {
        let wrong = |why: &str| {
            Err(format!("precision {} with ONNX Runtime's provider {}: {why}", precision.name(), self.name()))
        };
        match (precision, self) {
            (Precision::Float32, _) | (Precision::Int8, Self::Cpu) => Ok(()),
            (Precision::Int8, _) => wrong("8-bit integers are supported with the provider cpu only"),
            (Precision::Float16, Self::Cpu | Self::Xnnpack) => wrong("processors compute in float32 instead"),
            (Precision::Float16, _) => Ok(()),
            (Precision::Bfloat16, _) => wrong("its convolutions do not support bfloat16"),
            (Precision::Float32Strict, _) => wrong("only libtorch on GPUs distinguishes it from float32"),
        }
    }

    /// The provider that sessions must register; `None` for processors, which are always available. If the library lacks the
    /// provider, opening a session fails with the library's message.
    pub(crate) fn dispatch(self) -> Option<ExecutionProviderDispatch> {
        let dispatch = match self {
            Self::Cpu => return None,
            Self::Cuda => ep::CUDA::default().build(),
            Self::TensorRt => ep::TensorRT::default().build(),
            Self::Xnnpack => ep::XNNPACK::default().build(),
            Self::OpenVino => ep::OpenVINO::default().build(),
            Self::Acl => ep::ACL::default().build(),
            Self::Qnn => ep::QNN::default().build(),
        };
        Some(dispatch.error_on_failure())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_that_a_provider_does_not_have_are_refused() {
        let refused = |provider: Provider, precision| provider.check(precision).unwrap_err();
        for (name, provider) in Provider::ALL {
            assert_eq!(provider.check(Precision::Float32), Ok(()), "{name}");
            assert!(refused(provider, Precision::Bfloat16).contains("precision bfloat16"), "{name}");
            assert_eq!(provider.check(Precision::Int8).is_ok(), provider == Provider::Cpu, "{name}");
        }
        assert!(
            refused(Provider::Cpu, Precision::Float16).contains("precision float16 with ONNX Runtime's provider cpu")
        );
        assert_eq!(Provider::Cuda.check(Precision::Float16), Ok(()));
        assert_eq!(Provider::TensorRt.check(Precision::Float16), Ok(()));
    }

    #[test]
    fn providers_by_the_back_ends_name() {
        assert_eq!(Provider::of_backend("onnxruntime"), Some(Ok(Provider::Cpu)));
        assert_eq!(Provider::of_backend("onnxruntime:cpu"), Some(Ok(Provider::Cpu)));
        assert_eq!(Provider::of_backend("onnxruntime:tensorrt"), Some(Ok(Provider::TensorRt)));
        for other in ["torch", "onnxruntimes", "onnxruntim", ""] {
            assert_eq!(Provider::of_backend(other), None, "{other}");
        }
        for bad in ["onnxruntime:", "onnxruntime:gpu", "onnxruntime:cpu:", "onnxruntime:CPU"] {
            let error = Provider::of_backend(bad).unwrap().unwrap_err();
            assert!(error.contains(bad) && error.contains("xnnpack"), "{error}");
        }
        for (name, provider) in Provider::ALL {
            assert_eq!(provider.name(), name);
        }
    }
}
