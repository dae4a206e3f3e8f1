//! Canaries: two fixed kernels, one for arithmetic and one for memory traffic, that show whether the machine has become
//! slower. They flag drift and never correct a latency (docs/trust.md).

use std::hint::black_box;
use std::time::Instant;

use nasprof_profiler::protocol::Canary;

/// Timed calls of each kernel.
const SAMPLES: usize = 7;
/// Larger than any private cache. A shared cache of hundreds of megabytes cannot be flushed in a millisecond anyway.
const BUFFER_BYTES: usize = 64 << 20;
/// Bytes that one call streams, in about a millisecond.
const WINDOW_BYTES: usize = 8 << 20;
/// Steps of multiply-adds in one call, about a millisecond.
const STEPS: usize = 250_000;

/// The two kernels, with their buffers.
pub struct Kernels {
    buffer: Vec<u64>,
    position: usize,
}

impl Default for Kernels {
    fn default() -> Self {
        // Every page is written once, so that it is real memory.
        Self { buffer: (0..(BUFFER_BYTES / 8) as u64).collect(), position: 0 }
    }
}

impl Kernels {
    /// Runs both kernels; times in nanoseconds.
    pub fn run(&mut self) -> Canary {
        let mut canary = Canary { compute_ns: Vec::new(), memory_ns: Vec::new() };
        for _ in 0..SAMPLES {
            canary.compute_ns.push(timed(compute));
            canary.memory_ns.push(timed(|| self.stream()));
        }
        canary
    }

    /// Reads the next window of the buffer, wrapping around, so that the window was not read recently.
    fn stream(&mut self) -> u64 {
        let length = WINDOW_BYTES / 8;
        let window = &self.buffer[self.position..self.position + length];
        self.position = (self.position + length) % self.buffer.len();
        window.iter().fold(0, |sum, v| sum ^ v)
    }
}

/// Eight independent chains of multiply-adds, so that the time does not depend only on latency or on a single port.
fn compute() -> f64 {
    let mut chains = [1.0_f64, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7];
    for _ in 0..STEPS {
        for chain in &mut chains {
            *chain = *chain * 0.999_999 + 0.000_001;
        }
    }
    chains.iter().sum()
}

fn timed<T>(kernel: impl FnOnce() -> T) -> u64 {
    let start = Instant::now();
    black_box(kernel());
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
