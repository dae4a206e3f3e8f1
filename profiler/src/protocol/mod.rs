//! The agent protocol: JSON lines, requests on the agent's stdin, replies on its stdout, one reply to each request and
//! in the same order. The agent greets first with [`Reply::Hello`].
//!
//! The agent decides nothing: it loads and runs what the host requests, and reports nanoseconds. Schedule, statistics
//! and stop rule belong to the host ([`crate::engine`]), so a lost link loses one visit.

mod clocks;
mod line;
mod supervisor;
mod throttling;

use std::collections::BTreeMap;
use std::time::Duration;

use nasprof_graph::Graph;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use clocks::{ClockCommands, ClockRequest, Restored, Setting, Stored};
pub use line::{MAX_LINE_BYTES, read_line};
pub use supervisor::{ALIVE, HEARTBEAT, MARK, Notice, Order};
pub use throttling::ThrottleReason;

/// Version of this protocol; host and agent must agree.
pub const PROTOCOL_VERSION: u32 = 3;

/// How an agent keeps or returns memory. Part of a LUT's context: it changes latencies by up to 30 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allocator {
    /// glibc told to keep memory: no mmap, no trim, one arena.
    Retain,
    /// glibc as it is by default.
    System,
}

impl Allocator {
    /// Its name in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retain => "retain",
            Self::System => "system",
        }
    }
}

/// What the agent sets up before it loads anything; fixed for the life of its process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// `torch` or `synthetic:NAME`.
    pub backend: String,
    /// Threads a layer may use.
    pub threads: usize,
    /// Cores to pin to, one a thread; empty: not pinned.
    pub cores: Vec<usize>,
    /// Memory behaviour.
    pub allocator: Allocator,
    /// Seed of weights, inputs and, on synthetic devices, of the noise.
    pub seed: u64,
    /// Number of the session, from 0; a synthetic device's noise depends on it as a real one's would.
    pub session: u32,
    /// How clocks are locked while this agent lives; absent: they are left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks: Option<ClockRequest>,
    /// Name under which the host has a copy of the clocks as they were; empty: it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub clock_copy: String,
}

/// From the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Once, and before everything but [`Request::Clocks`] and [`Request::RestoreClocks`].
    Configure(Setup),
    /// Builds a network and runs it once.
    Load {
        /// Number by which later requests name it.
        #[serde(rename = "unit")]
        workload: u32,
        /// The pruned graph to run.
        graph: Graph,
    },
    /// Times a loaded network.
    Visit(VisitRequest),
    /// Times the two fixed kernels.
    Canary,
    /// Lets virtual time pass; in real time the host waits.
    PassTime {
        /// How much.
        nanoseconds: u64,
    },
    /// Reads the machine's state.
    Probe,
    /// Reads the clock settings as they are, before any is locked.
    Clocks {
        /// How they will be locked.
        how: ClockRequest,
    },
    /// Brings clock settings back from the host's copy, where the device has lost its own.
    RestoreClocks {
        /// The copy.
        copy: Stored,
    },
    /// Runs a graph for the first time and measures its memory.
    Memory {
        /// The graph.
        graph: Graph,
    },
    /// Measures the energy of a graph.
    Energy {
        /// The graph.
        graph: Graph,
    },
    /// Brings locked clocks back and ends the agent.
    Bye,
}

/// One visit: untimed runs, then timed runs with and without timers between the layers, alternating.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisitRequest {
    /// Number of the visit in its session.
    pub sequence: u64,
    /// Which loaded workload.
    #[serde(rename = "unit")]
    pub workload: u32,
    /// Untimed runs first: after other networks, a network's weights are out of the near caches.
    pub warm_up_runs: u32,
    /// Runs with a timer between the layers.
    pub layer_runs: u32,
    /// Runs timed as a whole.
    pub whole_runs: u32,
    /// Calls per timed whole run (isolated layers are too short to be timed singly).
    pub repeat: u32,
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// First line of every agent.
    Hello(Hello),
    /// To [`Request::Configure`].
    Configured(Fingerprint),
    /// To [`Request::Load`].
    Loaded(Loaded),
    /// To [`Request::Visit`].
    Visited(Visit),
    /// To [`Request::Canary`].
    Canary(Canary),
    /// To [`Request::PassTime`].
    TimePassed,
    /// To [`Request::Probe`].
    Probes(Probes),
    /// To [`Request::Memory`].
    Memory(Memory),
    /// To [`Request::Clocks`].
    Clocks {
        /// The settings.
        stored: Stored,
    },
    /// To [`Request::RestoreClocks`].
    ClocksRestored {
        /// What became of them.
        restored: Restored,
    },
    /// To [`Request::Energy`].
    Energy(Energy),
    /// To [`Request::Bye`]: the clocks are as they were.
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
    /// [`PROTOCOL_VERSION`] of the agent.
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

/// Why a device did not answer.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// The request failed on the device; it goes on.
    #[error("{0}")]
    Refused(String),
    /// The device is not in the state that was asked for.
    #[error("{0}")]
    ContextChanged(String),
    /// The device is gone.
    #[error("device lost: {0}")]
    Lost(String),
    /// It answered nonsense.
    #[error("the agent broke the protocol: {0}")]
    Protocol(String),
}

/// Something that can be measured: an agent process, or a back end inside one.
pub trait Device {
    /// Sets up; must be called once and first.
    ///
    /// # Errors
    /// If the set-up is impossible on this device.
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError>;

    /// Builds a network under a number and runs it once.
    ///
    /// # Errors
    /// If a layer does not run.
    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError>;

    /// Times a loaded network.
    ///
    /// # Errors
    /// If the workload is not loaded or a layer fails.
    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError>;

    /// Times the fixed kernels.
    ///
    /// # Errors
    /// If the device is lost.
    fn canary(&mut self) -> Result<Canary, DeviceError>;

    /// Lets virtual time pass; a device in real time needs nothing for that.
    ///
    /// # Errors
    /// If the device is lost.
    fn pass_time(&mut self, _time: Duration) -> Result<(), DeviceError> {
        Ok(())
    }

    /// Reads the machine's state.
    ///
    /// # Errors
    /// If the device is lost.
    fn probe(&mut self) -> Result<Probes, DeviceError>;

    /// Measures the memory of a graph; call it on a fresh device only.
    ///
    /// # Errors
    /// If a layer does not run.
    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError>;

    /// Measures the energy of a graph.
    ///
    /// # Errors
    /// If the device shows no energy, its meter is too coarse, or a layer does not run.
    fn energy(&mut self, _graph: &Graph) -> Result<Energy, DeviceError> {
        Err(DeviceError::Refused("this device shows no energy".to_owned()))
    }

    /// Reads the clock settings as they are, with what is needed to bring them back.
    ///
    /// # Errors
    /// If the device has none, or one cannot be read.
    fn clocks(&mut self, _request: &ClockRequest) -> Result<Stored, DeviceError> {
        Err(DeviceError::Refused("this device has no clocks to lock".to_owned()))
    }
}
