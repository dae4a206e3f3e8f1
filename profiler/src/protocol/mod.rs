//! The agent protocol: JSON lines, requests on the agent's stdin, replies on its stdout. Each request gets one reply with
//! the same number ([`numbered::Numbered`]), in the same order. The agent first sends [`Reply::Hello`], which has no number.
//! The host checks every reply before it uses it ([`checked::Checked`]).
//!
//! The agent makes no decisions: it loads and runs the requested networks and reports nanoseconds. The host owns the
//! schedule, the statistics and the stop rule ([`crate::engine`]), so a lost link costs only one visit.

mod arithmetic;
pub mod bounds;
pub mod checked;
mod clocks;
mod device;
mod line;
mod model;
pub mod numbered;
mod reply;
mod request;
mod supervisor;

pub use arithmetic::{Layout, Precision, Timing};
pub use clocks::{ClockCommands, ClockRequest, Restored, Setting, Stored};
pub use device::{Device, DeviceError, ProtocolError};
pub use line::{MAX_LINE_BYTES, read_line};
pub use model::{ModelKernel, ModelOpened, ModelRequest};
pub use reply::{
    BusyProcess, Canary, Conditions, Energy, EnergyWindow, Fingerprint, Hello, Loaded, Memory, Probe, Probes,
    QueuedRuns, Reply, Run, ThrottleReason, Visit,
};
pub use request::{Allocator, Request, Setup, VisitRequest};
pub use supervisor::{ALIVE, HEARTBEAT, MARK, Notice, Order};

/// Version of this protocol; host and agent must have the same.
pub const PROTOCOL_VERSION: u32 = 5;
