//! Measuring: the agent and its back ends, the protocol it speaks, and the engine that decides what to measure next.
//!
//! Without the feature `torch` this crate has no heavy dependency: the protocol, the engine, the statistics, the journal
//! and the synthetic devices build in seconds.

#[cfg(feature = "torch")]
mod affinity;
#[cfg(feature = "torch")]
mod allocator;
mod board_lock;
#[cfg(feature = "torch")]
mod canary;
pub mod change_points;
pub mod clocks;
pub mod cuda;
pub mod energy;
pub mod engine;
pub mod journal;
pub mod nvidia;
pub mod probes;
pub mod protocol;
mod replace;
pub mod serve;
pub mod statistics;
pub mod supervise;
pub mod synthetic;
#[cfg(feature = "torch")]
mod timer;
#[cfg(feature = "torch")]
pub mod torch;
#[cfg(feature = "torch")]
mod usage;

#[cfg(feature = "torch")]
pub use allocator::retain as retain_freed_memory;
pub use replace::replace_file;
