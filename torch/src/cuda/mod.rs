//! NVIDIA GPUs through libtorch: timing, and loading the CUDA part.
//!
//! Times are GPU times between events in its queue. While a network is queued, other work keeps the GPU busy, so it
//! never waits for the processor: launch overhead is excluded ([`queue`]).

mod allocator;
mod device;
mod libraries;
mod queue;
mod runtime;
mod stream;

pub use device::CudaDevice;
