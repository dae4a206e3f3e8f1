//! LUTs of processors with a queue, such as GPUs: the cost of marks between layers is subtracted, and latencies other
//! than `queue` ([`Timing`]) are derived from the layers' times.
//!
//! `graph` is a sum of kernels that follow each other more closely than in a queue. `wall` needs two numbers per layer:
//! the processor launches one layer after the other, and a kernel starts when it is launched and the previous kernel is
//! done. Both queues are simulated over the network. The rest is fitted to the networks measured whole in the same
//! sessions.

mod calibration;
mod fit;
mod marks;
mod observed;
mod references;
mod two_queues;

pub use calibration::{Queued, TimingAnchor, TimingCalibration};
pub(crate) use marks::without_marks;
pub(crate) use observed::{launches, timings};
pub(crate) use references::at_usual_speed;
pub(crate) use two_queues::LaunchedLayer;
