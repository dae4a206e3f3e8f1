//! LUTs of processors with a queue, such as GPUs: what a mark between two layers costs them is taken off, and from the
//! layers' times follow the latencies other than `queue` ([`Timing`]).
//!
//! `graph` is a sum of kernels that follow each other more closely than in a queue. `wall` needs two numbers a layer: the
//! processor launches one layer after the other, and a kernel starts when it is launched and the one before is done. Both
//! queues are run over the network. What is left is fitted to the networks that were measured whole in the same sessions.

mod calibration;
mod fit;
mod marks;
mod observed;
mod two_queues;

pub use calibration::{Queued, TimingAnchor, TimingCalibration};
pub(crate) use marks::without_marks;
pub(crate) use observed::{launches, timings};
pub(crate) use two_queues::LaunchedLayer;
