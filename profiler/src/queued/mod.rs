//! Timing of processors that get work through a queue, such as GPUs.
//!
//! A kernel starts once it is launched and the previous kernel has finished. So a network has more than one latency
//! ([`crate::protocol::Timing`]); [`visit()`] measures all requested ones. The code uses traits, so that a synthetic device
//! in virtual time runs the same code as a GPU.

mod queue;
mod visit;

pub use queue::{Fill, Marks, Queue, Stream};
pub use visit::{Fills, QueuedNetwork, Visited, visit};
