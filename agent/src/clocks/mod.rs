//! Clock control (`--lock-clocks`): settings are stored, set, read back, and restored however the measurement ends.
//!
//! The agent starts a *holder*, a second process of its own program. The holder stores the current settings on the device's
//! disk, sets the new ones, reads them back, and waits for the end of its input. The input ends when the agent ends: after
//! the last request, by a panic, by any signal (including SIGKILL), or because the link to the host was cut. Then the holder
//! restores the settings. If the holder itself is killed, the next agent on the device finds the stored settings and
//! restores them ([`recover`]). If those are lost too, they are restored from the host's copy, which was made before
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

/// Errors of clock control.
#[derive(Debug, Error)]
pub enum ClockError {
    /// Nothing to control.
    #[error(
        "this device has no settable clocks: no cpufreq below {root}sys, no jetson_clocks, no NVIDIA GPU requested"
    )]
    Nothing {
        /// Root of the searched tree.
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
    /// After a setting was written, another value was read back.
    #[error("the clocks did not stay as set: {}", .0.join("; "))]
    ReadBack(Vec<String>),
    /// The current settings cannot be stored, so nothing is set.
    #[error("cannot store the present clocks in {path}, so nothing was locked: {source}")]
    Store {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The stored settings cannot be parsed.
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
    /// The error that the holder reported.
    #[error("{0}")]
    Refused(String),
    /// The holder does not start or does not reply.
    #[error("the process that holds the clocks: {0}")]
    Holder(String),
}

/// A way to control clocks. A device may have several.
pub trait ClockControl {
    /// Its name in stored settings.
    fn name(&self) -> &'static str;

    /// The current settings; empty if the device does not have this control.
    ///
    /// # Errors
    /// If a setting exists and cannot be read, because it could not be restored.
    fn read(&mut self) -> Result<Vec<Setting>, ClockError>;

    /// Sets the clocks, and returns the settings that must be read back from now on.
    ///
    /// # Errors
    /// If a setting cannot be written.
    fn lock(&mut self) -> Result<Vec<Setting>, ClockError>;

    /// Current differences from the wanted settings, one sentence each.
    fn differences(&mut self, wanted: &[Setting]) -> Vec<String>;

    /// Restores stored settings, as many as possible.
    ///
    /// # Errors
    /// If a setting is not restored.
    fn restore(&mut self, before: &[Setting]) -> Result<(), ClockError>;

    /// Whether the settings survive a reboot of the device. Settings that do not are not restored after one, because the
    /// boot has reset them.
    fn survives_reboot(&self) -> bool {
        false
    }
}
