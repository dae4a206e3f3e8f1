//! Back ends by name: the agent program of each back end, and the GPU that a name selects.

/// The agent that links no runtime. It serves synthetic devices and loads ONNX Runtime on demand.
pub const AGENT: &str = "nasprof-agent";
/// The agent with libtorch.
pub const AGENT_TORCH: &str = "nasprof-agent-torch";

/// The back end on ONNX Runtime: alone, or with the name of an execution provider after a colon.
pub const ONNX_RUNTIME: &str = "onnxruntime";
/// The accepted execution providers. Which of them are available depends on the library.
pub const ONNX_RUNTIME_PROVIDERS: [&str; 7] = ["cpu", "cuda", "tensorrt", "xnnpack", "openvino", "acl", "qnn"];

/// File name of its library; a version may follow.
pub const ONNX_RUNTIME_LIBRARY: &str = "libonnxruntime.so";
/// The argument that makes an agent print the path from which it would load this library.
pub const LIBRARY_ARGUMENT: &str = "library";
/// The agent's exit code if it finds no library.
pub const NO_LIBRARY: u8 = 3;

/// Whether a back end runs networks on ONNX Runtime.
#[must_use]
pub fn is_onnx_runtime(backend: &str) -> bool {
    backend.split(':').next() == Some(ONNX_RUNTIME)
}

/// Checks a back end that replaces a device's own: `torch`, or `onnxruntime` with or without a provider.
///
/// # Errors
/// Any other name; the error lists the accepted names.
pub fn named(backend: &str) -> Result<String, String> {
    let provider = backend.strip_prefix(ONNX_RUNTIME).and_then(|rest| rest.strip_prefix(':'));
    if backend == "torch" || backend == ONNX_RUNTIME || provider.is_some_and(|p| ONNX_RUNTIME_PROVIDERS.contains(&p)) {
        return Ok(backend.to_owned());
    }
    let providers = ONNX_RUNTIME_PROVIDERS.join(", ");
    Err(format!("known: `torch`, `onnxruntime`, and `onnxruntime:PROVIDER` with PROVIDER one of {providers}"))
}

/// The program that serves a back end.
#[must_use]
pub fn program(backend: &str) -> &'static str {
    let kind = backend.split_once(':').map_or(backend, |(kind, _)| kind);
    if matches!(kind, "torch" | "cuda") { AGENT_TORCH } else { AGENT }
}

/// Whether a back end is a GPU: a real one through libtorch, or a synthetic one.
#[must_use]
pub fn is_gpu(backend: &str) -> bool {
    let (kind, name) = backend.split_once(':').unwrap_or((backend, ""));
    kind == "cuda" || (kind == "synthetic" && (name == "gpu" || name.starts_with("gpu-")))
}

/// The GPU of a back end `cuda:INDEX` or `cuda:INDEX:flush-l2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CudaTarget {
    /// Its number.
    pub index: u32,
    /// Whether the L2 cache is flushed before every timed run. Otherwise an untimed run precedes each timed run.
    pub flush: bool,
}

impl CudaTarget {
    /// Reads a back end's name.
    ///
    /// # Errors
    /// If the name does not have one of these forms.
    pub fn parse(backend: &str) -> Result<Self, String> {
        let wrong = || format!("the back end `{backend}` is neither `cuda:INDEX` nor `cuda:INDEX:flush-l2`");
        let mut parts = backend.split(':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("cuda"), Some(index), option @ (None | Some("flush-l2")), None) => {
                let digits = !index.is_empty() && index.chars().all(|c| c.is_ascii_digit());
                let index = index.parse().ok().filter(|_| digits).ok_or_else(wrong)?;
                Ok(Self { index, flush: option.is_some() })
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_back_end_has_its_program() {
        for (backend, expected) in [
            ("torch", AGENT_TORCH),
            ("cuda:0", AGENT_TORCH),
            ("cuda:1:flush-l2", AGENT_TORCH),
            ("synthetic:quiet", AGENT),
            ("synthetic:torch", AGENT),
            ("onnxruntime", AGENT),
            ("onnxruntime:cuda", AGENT),
        ] {
            assert_eq!(program(backend), expected, "{backend}");
        }
    }

    #[test]
    fn back_ends_that_may_be_named() {
        for good in ["torch", "onnxruntime", "onnxruntime:cpu", "onnxruntime:xnnpack"] {
            assert_eq!(named(good).as_deref(), Ok(good));
        }
        for bad in ["", "cuda:0", "onnxruntime:", "onnxruntime:gpu", "onnxruntimes", "synthetic:quiet", "torch:0"] {
            assert!(named(bad).unwrap_err().contains("xnnpack"), "{bad}");
        }
        assert!(is_onnx_runtime("onnxruntime") && is_onnx_runtime("onnxruntime:cpu") && !is_onnx_runtime("torch"));
    }

    #[test]
    fn gpus_are_known_by_their_back_end() {
        for gpu in ["cuda:0", "cuda:1:flush-l2", "synthetic:gpu", "synthetic:gpu-wandering"] {
            assert!(is_gpu(gpu), "{gpu}");
        }
        for other in ["torch", "synthetic:quiet", "synthetic:gpus", "onnxruntime:cuda"] {
            assert!(!is_gpu(other), "{other}");
        }
    }

    #[test]
    fn gpus_by_name() {
        assert_eq!(CudaTarget::parse("cuda:0"), Ok(CudaTarget { index: 0, flush: false }));
        assert_eq!(CudaTarget::parse("cuda:3:flush-l2"), Ok(CudaTarget { index: 3, flush: true }));
        for bad in [
            "",
            "cuda",
            "cuda:",
            "cuda:x",
            "cuda:-1",
            "cuda:+1",
            "cuda:0:",
            "cuda:0:flush",
            "cuda:0:flush-l2:",
            "torch:0",
        ] {
            assert!(CudaTarget::parse(bad).is_err(), "{bad}");
        }
    }
}
