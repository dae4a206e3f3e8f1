//! Processors that are given work through a queue, such as GPUs: how their runs are timed.
//!
//! A kernel starts when it was launched and the one before it is done. So a network has more than one latency
//! ([`crate::protocol::Timing`]), and [`visit()`] measures all that are asked for. Decided on traits, so that a synthetic device
//! in virtual time runs the same code as a GPU.

mod queue;
mod visit;

pub use queue::{Fill, Marks, Queue, Stream};
pub use visit::{Fills, QueuedNetwork, Visited, visit};
