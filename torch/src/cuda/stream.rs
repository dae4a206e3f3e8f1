//! The queue of a real GPU.

use std::time::Instant;

use nasprof_agent::{timer, usage};
use nasprof_profiler::queued::{QueuedNetwork, Stream};
use tch::{Device, Kind, Tensor};

use super::capture::{Captured, StreamHandle};
use super::runtime::{Mark, Runtime};
use crate::Network;
use crate::network::first_line;

/// Minimum bytes that a fill writes, so that it takes some time. A fill also writes twice the size of the cache, so that it
/// flushes it.
const MIN_FILL_BYTES: usize = 64 << 20;
/// The launches that show how fast the processor is: pairs of a convolution and an activation, the kinds of launches of a network.
const REFERENCE_PAIRS: usize = 30;
const REFERENCE_SHAPE: [i64; 4] = [1, 8, 8, 8];

/// libtorch's queue on one GPU.
pub(super) struct GpuStream {
    runtime: Runtime,
    stream: StreamHandle,
    marks: Vec<Mark>,
    filling: Tensor,
    /// Operands of the reference: an image and a kernel.
    reference: [Tensor; 2],
    begun: Instant,
}

impl GpuStream {
    pub(super) fn new(runtime: Runtime, device: u32, stream: StreamHandle) -> Result<Self, String> {
        let bytes = (2 * runtime.l2_bytes(device)?).max(MIN_FILL_BYTES);
        let filling = Tensor::f_zeros([bytes as i64 / 4], (Kind::Float, Device::Cuda(device as usize)));
        let filling = filling.map_err(|e| first_line(&e))?;
        let zeros = |shape: [i64; 4]| {
            Tensor::f_zeros(shape, (Kind::Float, Device::Cuda(device as usize))).map_err(|e| first_line(&e))
        };
        let reference = [zeros(REFERENCE_SHAPE)?, zeros([8, 8, 1, 1])?];
        Ok(Self { runtime, stream, marks: Vec::new(), filling, reference, begun: Instant::now() })
    }
}

impl Stream for GpuStream {
    fn fill(&mut self, times: u32) -> Result<(), String> {
        for _ in 0..times {
            let _ = self.filling.f_fill_(1.0).map_err(|e| first_line(&e))?;
        }
        Ok(())
    }

    fn mark(&mut self, number: usize) -> Result<(), String> {
        while self.marks.len() <= number {
            self.marks.push(self.runtime.event(self.stream)?);
        }
        self.marks[number].record()
    }

    fn is_past(&self, number: usize) -> Result<bool, String> {
        self.marks[number].is_past()
    }

    fn wait(&mut self) -> Result<(), String> {
        self.runtime.synchronize(self.stream)
    }

    fn between(&self, from: usize, to: usize) -> Result<u64, String> {
        self.marks[to].since(&self.marks[from])
    }

    fn now(&self) -> u64 {
        timer::between(self.begun, Instant::now())
    }

    fn preemptions(&self) -> u64 {
        usage::preemptions()
    }

    fn launch_reference(&mut self) -> Result<(), String> {
        let [image, kernel] = &self.reference;
        for _ in 0..REFERENCE_PAIRS {
            let convolved = image.f_conv2d(kernel, None::<Tensor>, 1, 0, 1, 1).map_err(|e| first_line(&e))?;
            drop(convolved.f_relu().map_err(|e| first_line(&e))?);
        }
        Ok(())
    }
}

/// A network on a GPU, and its captured run if it could be captured.
pub(super) struct GpuNetwork {
    pub(super) network: Network,
    pub(super) captured: Option<Captured>,
}

impl QueuedNetwork for GpuNetwork {
    fn queue(&mut self, after_layer: &mut dyn FnMut() -> Result<(), String>) -> Result<(), String> {
        self.network.run_with(after_layer)
    }

    fn is_captured(&self) -> bool {
        self.captured.is_some()
    }

    fn replay(&mut self) -> Result<(), String> {
        self.captured.as_ref().ok_or("the network was not captured")?.replay()
    }
}
