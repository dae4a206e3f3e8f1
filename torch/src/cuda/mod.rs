//! NVIDIA GPUs through libtorch: what times are, and how its CUDA part is loaded.
//!
//! Times are those of the GPU, between events in its queue. While a network is queued, the GPU is kept busy with other
//! work, so that it never waits for the processor: the time to launch kernels is kept out ([`queue`]).

mod allocator;
mod device;
mod libraries;
mod queue;
mod runtime;
mod stream;

pub use device::CudaDevice;
