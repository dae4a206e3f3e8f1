//! Devices: their files, how an agent on one is reached, and what is done when the link breaks.
//!
//! The local machine is measured through the same agent and protocol as a board.

mod agent;
mod board;
mod clock_copy;
mod error;
mod file;
mod link;
mod local;
mod persist;
mod power_mode;
mod programs;
mod ssh;

pub use error::LinkError;
pub use file::{
    ClockCommands, DeviceFile, DeviceFileError, Transport, builtin_names, describe, expand, find, names_in, text,
};
pub use link::{Link, Milestone};
pub use persist::persist;
pub use programs::Programs;
pub use ssh::AskPassphrase;
