//! The queue of a real GPU.

use tch::{Device, Kind, Tensor};

use super::queue::Stream;
use super::runtime::{Mark, Runtime};

/// Filling touches twice the cache, so that it also flushes it, and at least this much, so that it takes a while.
const MIN_FILL_BYTES: usize = 64 << 20;

/// libtorch's queue on one GPU.
pub(super) struct GpuStream {
    runtime: Runtime,
    marks: Vec<Mark>,
    filling: Tensor,
}

impl GpuStream {
    pub(super) fn new(runtime: Runtime, device: u32) -> Result<Self, String> {
        let bytes = (2 * runtime.l2_bytes(device)?).max(MIN_FILL_BYTES);
        let filling = Tensor::f_zeros([bytes as i64 / 4], (Kind::Float, Device::Cuda(device as usize)));
        Ok(Self { runtime, marks: Vec::new(), filling: filling.map_err(|e| e.to_string())? })
    }
}

impl Stream for GpuStream {
    fn fill(&mut self, times: u32) -> Result<(), String> {
        for _ in 0..times {
            let _ = self.filling.f_fill_(1.0).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn mark(&mut self, number: usize) -> Result<(), String> {
        while self.marks.len() <= number {
            self.marks.push(self.runtime.event()?);
        }
        self.marks[number].record()
    }

    fn is_past(&self, number: usize) -> Result<bool, String> {
        self.marks[number].is_past()
    }

    fn wait(&mut self) -> Result<(), String> {
        self.runtime.synchronize()
    }

    fn between(&self, from: usize, to: usize) -> Result<u64, String> {
        self.marks[to].since(&self.marks[from])
    }
}
