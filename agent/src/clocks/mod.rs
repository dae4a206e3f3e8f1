//! Clock control (`--lock-clocks`): settings are stored, set, read back, and restored however the measurement ends.
//!
//! The agent starts a *holder*, a second process of its own program, which stores the present settings on the device's
//! disk, sets the new ones, reads them back, and waits for the end of its input. That end comes when the agent ends:
//! after the last request, by a panic, by any signal (including SIGKILL), or because the link to the host was cut.
//! Then the holder restores. If the holder itself is killed, the next agent on the device finds the stored settings
//! and restores them ([`recover`]). If those are lost as well, they come from the host's copy, which was made before
//! anything was set ([`look`], [`restore`]).

mod commands;
mod cpufreq;
mod device;
mod holder;
mod jetson;
mod machine;
mod store;

use nasprof_profiler::protocol::Setting;
use thiserror::Error;

pub use device::ClockedDevice;
pub use holder::{HOLD_ARGUMENT, hold, look, recover, restore};
pub use machine::Machine;
pub use store::is_left;

/// Why clocks are not, or no longer, as they were asked to be.
#[derive(Debug, Error)]
pub enum ClockError {
    /// Nothing to control.
    #[error(
        "this device has no settable clocks: no cpufreq below {root}sys, no jetson_clocks, no NVIDIA GPU requested"
    )]
    Nothing {
        /// Root of the tree that was looked at.
        root: String,
    },
    /// A setting cannot be read or written.
    #[error("{name}: {problem}")]
    Setting {
        /// The setting.
        name: String,
        /// Why.
        problem: String,
    },
    /// A setting was written, and another value is read back.
    #[error("the clocks did not stay as set: {}", .0.join("; "))]
    ReadBack(Vec<String>),
    /// The present settings cannot be stored, so nothing is set.
    #[error("cannot store the present clocks in {path}, so nothing was locked: {source}")]
    Store {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// What was stored cannot be understood.
    #[error("{path}: {problem}")]
    Stored {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another measurement holds the clocks.
    #[error("another measurement holds the clocks of this device ({0})")]
    Held(String),
    /// The holder's own words.
    #[error("{0}")]
    Refused(String),
    /// The holder does not start or does not answer.
    #[error("the process that holds the clocks: {0}")]
    Holder(String),
}

/// A way to control clocks. A device may have several.
pub trait ClockControl {
    /// Its name in stored settings.
    fn name(&self) -> &'static str;

    /// The present settings; empty where the device has nothing of the kind.
    ///
    /// # Errors
    /// If one is there and cannot be read: then it could not be restored.
    fn read(&mut self) -> Result<Vec<Setting>, ClockError>;

    /// Sets the clocks, and returns what must be read back from now on.
    ///
    /// # Errors
    /// If a setting cannot be written.
    fn lock(&mut self) -> Result<Vec<Setting>, ClockError>;

    /// What differs now from what is wanted, one sentence each.
    fn differences(&mut self, wanted: &[Setting]) -> Vec<String>;

    /// Brings stored settings back. Does as much as it can.
    ///
    /// # Errors
    /// If a setting is not back.
    fn restore(&mut self, before: &[Setting]) -> Result<(), ClockError>;

    /// Whether a reboot of the device leaves the settings as they are. What does not survive is not restored after one:
    /// the boot has set it already.
    fn survives_reboot(&self) -> bool {
        false
    }
}
