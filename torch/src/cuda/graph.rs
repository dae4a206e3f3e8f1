//! Work that is recorded as a CUDA graph and replayed, for programs that train.

use super::capture::{Captured, StreamHandle};

/// Work of this thread, recorded.
#[derive(Debug)]
pub struct CudaGraph(Captured);

impl CudaGraph {
    /// Gives this thread a stream of its own: nothing can be recorded on the default one.
    ///
    /// # Errors
    /// If there is no such GPU.
    pub fn prepare(gpu: u32) -> Result<(), String> {
        if StreamHandle::own(gpu)?.0 == StreamHandle::DEFAULT.0 {
            return Err("libtorch has no stream but the default one".to_owned());
        }
        Ok(())
    }

    /// Records what `work` queues, without running it. It must have run before, so that nothing is prepared in it.
    ///
    /// # Errors
    /// That of `work`; work that cannot be recorded.
    pub fn record(work: impl FnOnce() -> Result<(), String>) -> Result<Self, String> {
        Captured::of(work).map(Self)
    }

    /// Queues the work.
    ///
    /// # Errors
    /// CUDA's.
    pub fn replay(&self) -> Result<(), String> {
        self.0.replay()
    }
}
