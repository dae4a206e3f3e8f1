//! Replies of the agent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::arithmetic::Timing;
use super::clocks::{Restored, Stored};
use super::model::ModelOpened;

/// From the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// First line of every agent; the only reply without a number.
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
        /// The result.
        restored: Restored,
    },
    /// To `energy`.
    Energy(Energy),
    /// To `bye`: the original clocks are restored.
    Bye,
    /// The request failed; the agent continues.
    Failed {
        /// The reason, in a sentence.
        error: String,
    },
}

/// The agent's greeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION) of the agent.
    pub protocol: u32,
    /// Its package version.
    pub version: String,
    /// Back ends built in.
    pub backends: Vec<String>,
}

/// Identifies the machine and its mode. Numbers are comparable only if the fingerprints are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Facts by name: processor, cores, kernel, runtime and its version, governor, huge pages …
    pub facts: BTreeMap<String, String>,
    /// Whether time is simulated. If so, every reply is a pure function of the setup and the requests so far.
    pub virtual_time: bool,
    /// Nanoseconds to read the clock twice.
    pub timer_overhead_ns: u64,
    /// The latencies of a network that a processor with a queue can measure. Empty: it has no queue, and only one latency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timings: Vec<Timing>,
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

/// One timed run and its disturbances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Nanoseconds: one number for each layer, or one for the whole.
    pub ns: Vec<u64>,
    /// Context switches during the run.
    pub switches: u64,
    /// Minor page faults during the run.
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
    /// The other latencies of a processor with a queue, if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<QueuedRuns>,
    /// The device's state right after the runs, if the device reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
}

/// Results of a visit to a processor with a queue, other than its time behind a full queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueuedRuns {
    /// Replays of the captured graph, `repeat` in each run; empty if not requested, or if the network cannot be captured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub graph: Vec<Run>,
    /// Complete calls, by the host processor's clock; `ns` is the time of all `repeat` calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wall: Vec<Run>,
    /// The host processor's time to launch each layer of such a call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub launches: Vec<Run>,
    /// The host processor's time for a fixed number of launches, right before and right after a run of both kinds above: how
    /// fast the processor was then. Empty in journals before version 0.3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Run>,
}

/// The clock that a processor reports beside a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// Its clock.
    pub clock_mhz: Option<u32>,
    /// Why it is slower than requested; empty: it is not throttled.
    pub throttled: Option<Vec<ThrottleReason>>,
}

/// Why a processor is slower than requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleReason {
    /// The driver enforces a power limit.
    #[serde(rename = "software power cap")]
    PowerCap,
    /// The hardware protects itself.
    #[serde(rename = "hardware slowdown")]
    HardwareSlowdown,
    /// It is synchronised with other GPUs.
    #[serde(rename = "sync boost")]
    SyncBoost,
    /// The driver enforces a temperature limit.
    #[serde(rename = "software thermal slowdown")]
    SoftwareThermal,
    /// The hardware is too hot.
    #[serde(rename = "hardware thermal slowdown")]
    HardwareThermal,
    /// The power supply requested it.
    #[serde(rename = "hardware power brake")]
    PowerBrake,
    /// A synthetic device reports it.
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

/// A value of the machine's state: good, bad, or not observable on this machine. "Unknown" is never "ok".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Observed and fine.
    Ok(f64),
    /// Observed and outside its limit.
    Bad(f64),
    /// This machine does not expose it.
    NotObservable,
}

/// The machine's state by probe name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probes {
    /// Probe name to value.
    pub values: BTreeMap<String, Probe>,
    /// If the machine is busy: the processes that use the most processor time, in descending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<BusyProcess>,
}

/// All processes of one name, other than the agent, that use the processor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BusyProcess {
    /// The name as the device's kernel reports it. Untrusted: the other program chooses it.
    pub name: String,
    /// Percent of all processor time of the machine.
    pub percent: f64,
}

/// Measured memory of one graph, and the time of its first run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Nanoseconds of the very first run in the process, including the runtime's one-time preparation.
    pub first_ns: u64,
    /// Peak memory of the run in bytes, minus the memory before it; null if the machine does not expose it.
    pub peak_bytes: Option<u64>,
    /// Peak memory in bytes, minus that of the process without the network: parameters, data and the run.
    #[serde(default)]
    pub network_bytes: Option<u64>,
    /// Bytes that the runtime keeps for the graph's layers, as its allocator counts them: parameters, buffers and its own
    /// objects, without data and results. Null if the allocator does not count them.
    #[serde(default)]
    pub stored_bytes: Option<u64>,
    /// How it was measured.
    pub method: String,
    /// Granularity of the peaks in bytes.
    pub resolution_bytes: u64,
}

/// Measured energy of one graph, run repeatedly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {
    /// What the meter counts, and how.
    pub method: String,
    /// Idle power, measured in the same way.
    pub idle_milliwatts: f64,
    /// Resolution of the meter per call, in microjoules.
    pub resolution_microjoules: f64,
    /// The windows that were measured.
    pub windows: Vec<EnergyWindow>,
}

/// A stretch of time filled with calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnergyWindow {
    /// Calls made.
    pub calls: u64,
    /// Duration of all calls.
    pub nanoseconds: u64,
    /// Energy of all calls.
    pub microjoules: f64,
}
