//! Work recorded as a CUDA graph and replayed, for training programs.

use super::capture::{Captured, StreamHandle};

/// Recorded work of this thread.
#[derive(Debug)]
pub struct CudaGraph(Captured);

impl CudaGraph {
    /// Gives this thread its own stream, because nothing can be recorded on the default stream.
    ///
    /// # Errors
    /// If there is no such GPU.
    pub fn prepare(gpu: u32) -> Result<(), String> {
        if StreamHandle::own(gpu)?.0 == StreamHandle::DEFAULT.0 {
            return Err("libtorch has no stream but the default one".to_owned());
        }
        Ok(())
    }

    /// Records the operations that `work` queues, without running them. `work` must have run before, so that it does no
    /// one-time preparation now.
    ///
    /// # Errors
    /// That of `work`, or if the work cannot be recorded.
    pub fn record(work: impl FnOnce() -> Result<(), String>) -> Result<Self, String> {
        Captured::of(work).map(Self)
    }

    /// Queues the work.
    ///
    /// # Errors
    /// CUDA's message.
    pub fn replay(&self) -> Result<(), String> {
        self.0.replay()
    }
}
