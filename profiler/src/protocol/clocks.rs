//! Clock settings: how to lock the clocks, and the original settings, which agent and host both store.

use serde::{Deserialize, Serialize};

/// How to lock the clocks. Absent fields are left unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRequest {
    /// Commands of the device file, which replace the agent's own clock control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<ClockCommands>,
    /// Number of an NVIDIA GPU whose clock to lock too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<u32>,
    /// Power mode of a Jetson board (`nvpmodel -m`), by name or number; not settable on other devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_mode: Option<String>,
}

/// Shell commands on the device that control its clocks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockCommands {
    /// Saves the current clocks.
    pub store: String,
    /// Locks the clocks.
    pub set: String,
    /// Restores the saved clocks.
    pub restore: String,
}

/// One setting that can be read, set and restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Name of its clock control.
    pub control: String,
    /// Its name within the control.
    pub name: String,
    /// Its value, in the format of the control.
    pub value: String,
}

/// The original settings, stored before any is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Always 1.
    pub format_version: u32,
    /// Name that the host gave these settings; empty: the host keeps no copy.
    #[serde(default)]
    pub name: String,
    /// Identifier of the boot in which the settings were read.
    pub boot: String,
    /// The request; restoring uses the same controls.
    pub request: ClockRequest,
    /// The original settings.
    pub settings: Vec<Setting>,
}

/// Result of restoring from the host's copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restored {
    /// The clocks were still changed; the agent has restored them.
    Now,
    /// The clocks had already been restored.
    Before,
    /// A running measurement holds the clocks, so there is nothing to restore.
    Held,
}
