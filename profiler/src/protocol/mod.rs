//! The agent protocol: JSON lines, requests on the agent's stdin, replies on its stdout, one reply to each request, in
//! the same order and with its number ([`numbered::Numbered`]). The agent greets first with [`Reply::Hello`], which has no
//! number. The host checks every reply before it uses it ([`checked::Checked`]).
//!
//! The agent decides nothing: it loads and runs what the host requests, and reports nanoseconds. Schedule, statistics
//! and stop rule belong to the host ([`crate::engine`]), so a lost link loses one visit.

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

pub use clocks::{ClockCommands, ClockRequest, Restored, Setting, Stored};
pub use device::{Device, DeviceError, ProtocolError};
pub use line::{MAX_LINE_BYTES, read_line};
pub use model::{ModelKernel, ModelOpened, ModelRequest};
pub use reply::{
    BusyProcess, Canary, Conditions, Energy, EnergyWindow, Fingerprint, Hello, Loaded, Memory, Probe, Probes, Reply,
    Run, ThrottleReason, Visit,
};
pub use request::{Allocator, Request, Setup, VisitRequest};
pub use supervisor::{ALIVE, HEARTBEAT, MARK, Notice, Order};

/// Version of this protocol; host and agent must agree.
pub const PROTOCOL_VERSION: u32 = 5;
