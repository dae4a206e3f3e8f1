//! Back ends by name: the agent program that serves each of them, and the GPU that a name selects.

/// The agent that links no runtime: synthetic devices, and ONNX Runtime, which it loads.
pub const AGENT: &str = "nasprof-agent";
/// The agent with libtorch.
pub const AGENT_TORCH: &str = "nasprof-agent-torch";

/// The back end on ONNX Runtime: alone, or with the name of an execution provider after a colon.
pub const ONNX_RUNTIME: &str = "onnxruntime";
/// The execution providers that may be named. Which of them there are depends on the library.
pub const ONNX_RUNTIME_PROVIDERS: [&str; 7] = ["cpu", "cuda", "tensorrt", "xnnpack", "openvino", "acl", "qnn"];

/// The file of its library, with a version after it or not.
pub const ONNX_RUNTIME_LIBRARY: &str = "libonnxruntime.so";
/// The argument with which an agent says where it would load that library from.
pub const LIBRARY_ARGUMENT: &str = "library";
/// Its exit code where there is none.
pub const NO_LIBRARY: u8 = 3;

/// Whether a back end runs networks on ONNX Runtime.
#[must_use]
pub fn is_onnx_runtime(backend: &str) -> bool {
    backend.split(':').next() == Some(ONNX_RUNTIME)
}

/// A back end that is named instead of a device's own: `torch`, or `onnxruntime` with a provider or without.
///
/// # Errors
/// What may be named.
pub fn named(backend: &str) -> Result<String, String> {
    let provider = backend.strip_prefix(ONNX_RUNTIME).and_then(|rest| rest.strip_prefix(':'));
    if backend == "torch" || backend == ONNX_RUNTIME || provider.is_some_and(|p| ONNX_RUNTIME_PROVIDERS.contains(&p)) {
        return Ok(backend.to_owned());
    }
    let providers = ONNX_RUNTIME_PROVIDERS.join(", ");
    Err(format!("possible are `torch`, `onnxruntime`, and `onnxruntime:` with one of {providers} after it"))
}

/// The program that serves a back end.
#[must_use]
pub fn program(backend: &str) -> &'static str {
    let kind = backend.split_once(':').map_or(backend, |(kind, _)| kind);
    if matches!(kind, "torch" | "cuda") { AGENT_TORCH } else { AGENT }
}

/// A GPU as the back end `cuda:INDEX` names it, or `cuda:INDEX:flush-l2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CudaTarget {
    /// Its number.
    pub index: u32,
    /// Whether the L2 cache is flushed before every timed run; else it holds what an untimed run left.
    pub flush: bool,
}

impl CudaTarget {
    /// Reads a back end's name.
    ///
    /// # Errors
    /// If it is not of one of these forms.
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
