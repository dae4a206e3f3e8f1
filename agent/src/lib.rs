//! The device side of measuring: replies to the host's requests, monitors the machine, controls clocks and reads meters.
//! Back ends run the graphs; those on libtorch are in a separate crate.

pub mod affinity;
pub mod allocator;
mod board_lock;
mod busy;
pub mod canary;
pub mod clocks;
pub mod energy;
mod lock_file;
pub mod nvidia;
pub mod probes;
pub mod program;
pub mod resident;
pub mod serve;
pub mod supervise;
pub mod timer;
pub mod usage;

pub use allocator::retain as retain_freed_memory;
