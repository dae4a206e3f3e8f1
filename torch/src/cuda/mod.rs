//! NVIDIA GPUs through libtorch: timing, and loading the CUDA part.
//!
//! Times are GPU times between events in its queue. While a network is queued, other work keeps the GPU busy, so it never
//! waits for the processor, and launch overhead is excluded ([`nasprof_profiler::queued`]). For the other latencies, the
//! same networks are replayed as CUDA graphs, or called by a program that waits for the result.

mod allocator;
mod canary;
mod capture;
mod context;
mod device;
mod driver;
mod graph;
mod libraries;
mod loss;
mod runtime;
mod stream;
mod system;

pub use context::{Autocast, allow_tf32, make_deterministic};
pub use device::CudaDevice;
pub use graph::CudaGraph;
pub use libraries::LoadError;
pub use system::{CudaError, System, ThisProcess, works};
