//! Fixed kernels whose times show whether a GPU is disturbed.

use nasprof_profiler::protocol::Canary;
use nasprof_profiler::queued::{Fill, Queue};
use tch::{Kind, Tensor};

use super::capture::Captured;
use super::stream::GpuStream;
use crate::network::first_line;

/// Number of samples of each fixed kernel, and minimum time of one in nanoseconds.
const CANARY_SAMPLES: usize = 7;
const CANARY_NS: u64 = 1_000_000;
/// Size of the kernels: side of the matrices, and number of elements of the buffer.
const CANARY_SIDE: i64 = 1024;
const CANARY_ELEMENTS: i64 = 64 << 20;
/// Two fixed kernels, as on the processor: one for arithmetic and one for memory traffic.
pub(super) struct Kernels {
    matrix: Tensor,
    buffer: Tensor,
    /// Number of calls of each kernel in a sample, so that it lasts long enough.
    calls: [u32; 2],
    fills: [Fill; 2],
}

impl Kernels {
    pub(super) fn new(device: tch::Device, queue: &mut Queue<GpuStream>) -> Result<Self, String> {
        let options = (Kind::Float, device);
        let matrix = Tensor::f_rand([CANARY_SIDE, CANARY_SIDE], options).map_err(|e| first_line(&e))?;
        let buffer = Tensor::f_zeros([CANARY_ELEMENTS], options).map_err(|e| first_line(&e))?;
        let mut kernels = Self { matrix, buffer, calls: [1, 1], fills: [Fill::default(); 2] };
        for which in 0..2 {
            // The first run includes one-time preparation.
            kernels.timed(queue, which)?;
            let once = kernels.timed(queue, which)?.max(1);
            kernels.calls[which] = u32::try_from(CANARY_NS.div_ceil(once)).unwrap_or(1).clamp(1, 500);
        }
        Ok(kernels)
    }

    fn timed(&mut self, queue: &mut Queue<GpuStream>, which: usize) -> Result<u64, String> {
        let Self { matrix, buffer, calls, fills } = self;
        let ns = queue.timed(
            &mut fills[which],
            || Ok(()),
            |marks| {
                for _ in 0..calls[which] {
                    if which == 0 {
                        drop(matrix.f_mm(matrix).map_err(|e| first_line(&e))?);
                    } else {
                        let _ = buffer.f_add_scalar_(1.0).map_err(|e| first_line(&e))?;
                    }
                }
                marks.mark()
            },
        )?;
        Ok(ns.iter().sum())
    }

    /// Captures a small run as a graph, to check whether capturing works on this GPU.
    pub(super) fn capture(&self) -> Result<Captured, String> {
        Captured::of(|| self.matrix.f_mm(&self.matrix).map(drop).map_err(|e| first_line(&e)))
    }

    pub(super) fn run(&mut self, queue: &mut Queue<GpuStream>) -> Result<Canary, String> {
        let mut canary = Canary { compute_ns: Vec::new(), memory_ns: Vec::new() };
        for _ in 0..CANARY_SAMPLES {
            canary.compute_ns.push(self.timed(queue, 0)?);
            canary.memory_ns.push(self.timed(queue, 1)?);
        }
        Ok(canary)
    }
}
