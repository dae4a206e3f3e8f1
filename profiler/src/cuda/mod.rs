//! NVIDIA GPUs through libtorch: what times are, and how its CUDA part is loaded.
//!
//! Times are those of the GPU, between events in its queue. While a network is queued, the GPU is kept busy with other
//! work, so that it never waits for the processor: the time to launch kernels is kept out ([`queue`]).

#[cfg(feature = "torch")]
mod allocator;
#[cfg(feature = "torch")]
mod device;
#[cfg(any(test, feature = "torch"))]
mod libraries;
#[cfg(any(test, feature = "torch"))]
mod queue;
#[cfg(feature = "torch")]
mod runtime;
#[cfg(feature = "torch")]
mod stream;

#[cfg(feature = "torch")]
pub use device::CudaDevice;

/// A GPU as the back end `cuda:INDEX` names it, or `cuda:INDEX:flush-l2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Its number.
    pub index: u32,
    /// Whether the L2 cache is flushed before every timed run; else it holds what an untimed run left.
    pub flush: bool,
}

impl Target {
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
    use super::Target;

    #[test]
    fn back_ends_by_name() {
        assert_eq!(Target::parse("cuda:0"), Ok(Target { index: 0, flush: false }));
        assert_eq!(Target::parse("cuda:3:flush-l2"), Ok(Target { index: 3, flush: true }));
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
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
