//! Devices: their files, and how an agent on one is reached.
//!
//! The local machine is measured through the same agent and protocol as a board.

mod agent;
mod file;

pub use agent::AgentClient;
pub use file::{DeviceError, DeviceFile, Transport, builtin_names, find};
