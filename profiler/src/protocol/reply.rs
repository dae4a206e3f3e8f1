//! What an agent answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::clocks::{Restored, Stored};
use super::model::ModelOpened;

/// From the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// First line of every agent; the only one without a number.
    Hello(Hello),
    /// To `configure`.
    Configured(Fingerprint),
    /// To `load`.
    Loaded(Loaded),
    /// To `open_model`.
    ModelOpened(ModelOpened),
    /// To `visit`.
    Visited(Visit),
    /// To `canary`.
    Canary(Canary),
    /// To `pass_time`.
    TimePassed,
    /// To `probe`.
    Probes(Probes),
    /// To `memory`.
    Memory(Memory),
    /// To `clocks`.
    Clocks {
        /// The settings.
        stored: Stored,
    },
    /// To `restore_clocks`.
    ClocksRestored {
        /// What became of them.
        restored: Restored,
    },
    /// To `energy`.
    Energy(Energy),
    /// To `bye`: the clocks are as they were.
    Bye,
    /// The request could not be carried out; the agent goes on.
    Failed {
        /// Why, in a sentence.
        error: String,
    },
}

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION) of the agent.
    pub protocol: u32,
    /// Its package version.
    pub version: String,
    /// Back ends built in.
    pub backends: Vec<String>,
}

/// What identifies the machine and its mode: numbers are comparable only where this is equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Facts by name: processor, cores, kernel, runtime and its version, governor, huge pages …
    pub facts: BTreeMap<String, String>,
    /// Whether time is simulated: then every answer is a pure function of the setup and the requests so far.
    pub virtual_time: bool,
    /// Nanoseconds that reading the clock twice takes.
    pub timer_overhead_ns: u64,
}

/// A network is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Its number.
    #[serde(rename = "unit")]
    pub workload: u32,
    /// Nanoseconds of each layer in the very first run.
    pub first_ns: Vec<u64>,
}

/// One timed run and what disturbed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Nanoseconds: one number for each layer, or one for the whole.
    pub ns: Vec<u64>,
    /// Context switches inside.
    pub switches: u64,
    /// Minor page faults inside.
    pub faults: u64,
}

/// What a visit measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// Number of the visit.
    pub sequence: u64,
    /// Which workload.
    #[serde(rename = "unit")]
    pub workload: u32,
    /// Runs with a timer between the layers.
    pub layers: Vec<Run>,
    /// Runs timed as a whole; `ns` is the time of all `repeat` calls.
    pub whole: Vec<Run>,
    /// What the device says of itself right after them, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
}

/// A processor's own word on its clock, beside a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// Its clock.
    pub clock_mhz: Option<u32>,
    /// Why it is slower than asked for; empty: it is not.
    pub throttled: Option<Vec<ThrottleReason>>,
}

/// Why a processor is slower than asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleReason {
    /// The driver keeps to a power limit.
    #[serde(rename = "software power cap")]
    PowerCap,
    /// The hardware protects itself.
    #[serde(rename = "hardware slowdown")]
    HardwareSlowdown,
    /// It keeps step with other GPUs.
    #[serde(rename = "sync boost")]
    SyncBoost,
    /// The driver keeps to a temperature limit.
    #[serde(rename = "software thermal slowdown")]
    SoftwareThermal,
    /// The hardware is too hot.
    #[serde(rename = "hardware thermal slowdown")]
    HardwareThermal,
    /// The power supply asked for it.
    #[serde(rename = "hardware power brake")]
    PowerBrake,
    /// A synthetic device says so.
    #[serde(rename = "made up")]
    Simulated,
}

impl ThrottleReason {
    /// In words, as in journals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PowerCap => "software power cap",
            Self::HardwareSlowdown => "hardware slowdown",
            Self::SyncBoost => "sync boost",
            Self::SoftwareThermal => "software thermal slowdown",
            Self::HardwareThermal => "hardware thermal slowdown",
            Self::PowerBrake => "hardware power brake",
            Self::Simulated => "made up",
        }
    }
}

/// Times of the fixed kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Arithmetic in registers.
    pub compute_ns: Vec<u64>,
    /// Streaming through memory.
    pub memory_ns: Vec<u64>,
}

/// A value of the machine's state: good, bad, or not to be seen on this machine. "Unknown" is never "ok".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Observed and fine.
    Ok(f64),
    /// Observed and outside its limit.
    Bad(f64),
    /// This machine does not show it.
    NotObservable,
}

/// The machine's state by probe name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// Probe name to value.
    pub values: BTreeMap<String, Probe>,
    /// Where the machine is busy: the processes with the most processor time, the most first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<BusyProcess>,
}

/// Processes of one name that use the processor beside the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BusyProcess {
    /// The name, as the device's kernel has it: another program's choice.
    pub name: String,
    /// Percent of all processor time of the machine.
    pub percent: f64,
}

/// Measured memory of one graph, and its first run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Nanoseconds of the very first run in the process, with everything that a runtime prepares then.
    pub first_ns: u64,
    /// Most bytes above the state before the run, or nothing where the machine does not show it.
    pub peak_bytes: Option<u64>,
    /// Most bytes above the process without the network: its parameters and data, and the run.
    #[serde(default)]
    pub network_bytes: Option<u64>,
    /// Bytes that the runtime keeps for the graph's layers, as its allocator counts them: parameters, buffers and its own
    /// objects, without data and results. Nothing where the allocator does not say.
    #[serde(default)]
    pub stored_bytes: Option<u64>,
    /// How it was measured.
    pub method: String,
    /// Granularity of the peaks in bytes.
    pub resolution_bytes: u64,
}

/// Measured energy of one graph, run again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {
    /// What was counted and how.
    pub method: String,
    /// Power with nothing running, counted in the same way.
    pub idle_milliwatts: f64,
    /// What the meter can tell apart, per call.
    pub resolution_microjoules: f64,
    /// What was counted, window by window.
    pub windows: Vec<EnergyWindow>,
}

/// A stretch of time filled with calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergyWindow {
    /// Calls made.
    pub calls: u64,
    /// How long they took.
    pub nanoseconds: u64,
    /// What the meter counted.
    pub microjoules: f64,
}
