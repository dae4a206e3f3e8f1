//! Clock settings: those to lock, and the original ones, which agent and host both store.

use serde::{Deserialize, Serialize};

/// How clocks are locked. The part that is absent is not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRequest {
    /// Commands of the device file, instead of what the agent finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<ClockCommands>,
    /// Number of the NVIDIA GPU whose clock is locked too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<u32>,
    /// Power mode of a Jetson board (`nvpmodel -m`), by name or number; other devices have none to set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_mode: Option<String>,
}

/// Shell commands on the device that steer its clocks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockCommands {
    /// Saves the clocks as they are.
    pub store: String,
    /// Fixes them.
    pub set: String,
    /// Puts back what was saved.
    pub restore: String,
}

/// One setting that can be read, set and restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Which control it belongs to.
    pub control: String,
    /// Its name there.
    pub name: String,
    /// Its value, as the control reads and writes it.
    pub value: String,
}

/// What is stored before anything is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Always 1.
    pub format_version: u32,
    /// Name of these settings, of the host's making; empty: the host keeps no copy.
    #[serde(default)]
    pub name: String,
    /// The boot that the settings are of.
    pub boot: String,
    /// What was asked for: restoring needs the same controls.
    pub request: ClockRequest,
    /// The settings as they were.
    pub settings: Vec<Setting>,
}

/// What became of a host's copy of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restored {
    /// They had been left changed, and are back now.
    Now,
    /// They were back already.
    Before,
    /// A measurement holds the clocks: nothing was left behind.
    Held,
}
