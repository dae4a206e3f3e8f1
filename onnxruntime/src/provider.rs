//! Execution providers: what runs the nodes, as the back end's name says after its colon.

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

/// What the back end's name begins with.
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

    /// The provider that a back end names: `onnxruntime` or `onnxruntime:PROVIDER`. `None`: it is another back end.
    pub(crate) fn of_backend(backend: &str) -> Option<Result<Self, String>> {
        let Some(name) = backend.strip_prefix(BACKEND)?.strip_prefix(':') else {
            return (backend == BACKEND).then_some(Ok(Self::Cpu));
        };
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        Some(known.map(|&(_, provider)| provider).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|&(name, _)| name).collect();
            format!("the back end `{backend}` is none: after the colon stands one of {}", names.join(", "))
        }))
    }

    /// Its name after the colon.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|&&(_, provider)| provider == self).map_or("cpu", |&(name, _)| name)
    }

    /// What sessions are to register; none for processors, which are always there. One that the library does not have is an
    /// error in its words.
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
