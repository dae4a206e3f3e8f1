//! Devices: their files, the ways to reach an agent, and recovery after a lost link.
//!
//! The local machine is measured through the same agent and protocol as a board.

mod agent;
mod board;
mod clock_copy;
mod command;
mod error;
mod file;
mod link;
mod local;
mod pauses;
mod power_mode;
mod programs;
mod retry;
mod ssh;
mod words;

pub use board::{FileKind, LibraryOrigin, Upload};
pub use command::{CommandDevice, CommandError, CommandModel, CommandRun, Fetched, Frames};
pub use error::{ClockStep, LinkError, Step};
pub use file::{
    COMMAND, ClockCommands, CommandTable, DeviceFile, DeviceFileError, ProfileFormat, TimesFormat, Transport, Unit,
    Words, builtin_names, describe, expand, find, names_in, text,
};
pub use link::{Link, Milestone};
pub use local::end_agents;
pub use programs::Programs;
pub use retry::retry;
pub use ssh::AskPassphrase;
