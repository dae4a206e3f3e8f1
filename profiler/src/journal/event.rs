//! The events of a journal.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Graph, LayerKey};
use nasprof_spaces::Space;
use serde::{Deserialize, Serialize};

use crate::protocol::{Allocator, Canary, ClockRequest, Energy, Fingerprint, Loaded, Memory, Probes, Setting, Visit};

/// Where layers are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Inside running networks sampled from the space.
    InContext,
    /// Each alone, in a loop.
    Isolated,
    /// Whole networks only (validation, level of the anchors).
    Whole,
}

/// How a measurement was asked for; the first line of its journal. Two runs may share a journal only if all of it but
/// `allow_noisy` is equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the journal's format, 1.
    pub format_version: u32,
    /// Version of the program that began it.
    pub program_version: String,
    /// Name of the device.
    pub device: String,
    /// Back end of the agent.
    pub backend: String,
    /// Name of the space.
    pub space: String,
    /// Digest of the space's supernet at batch 1: a space may change under its name. `sha256:` and 64 hexadecimal digits; versions before 0.2 wrote 16 digits, which are still known.
    pub space_digest: String,
    /// Whose optimiser passes were applied.
    pub runtime: Runtime,
    /// Where layers are timed.
    pub mode: Mode,
    /// Batch size.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
    /// Cores pinned to.
    pub cores: Vec<usize>,
    /// Memory behaviour.
    pub allocator: Allocator,
    /// Wanted half-width, relative: of the shape of the sampled networks, in journals before 0.3 of each layer.
    pub ci: f64,
    /// Sessions planned.
    pub sessions: u32,
    /// Most rounds of a session.
    pub max_rounds: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether the run that began the journal measures a machine that fails the gate. A run that goes on with it may ask
    /// otherwise; every row measured on a busy machine is stamped.
    pub allow_noisy: bool,
    /// How clocks are locked; absent: they are left as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks: Option<ClockRequest>,
    /// Whether energy is measured after the sessions.
    #[serde(default)]
    pub energy: bool,
    /// Which shard of the work it is, where several boards share it; absent: all of it.
    #[serde(default, rename = "share", skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

impl Header {
    /// A measurement as `nasprof measure` asks for it without options: every layer inside networks, batch 1, one thread that is
    /// not pinned, memory kept, two sessions, networks to within 1 %. `space` is that of batch 1.
    #[must_use]
    pub fn new(space: &Space, device: &str, backend: &str) -> Self {
        Self {
            format_version: 1,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            device: device.to_owned(),
            backend: backend.to_owned(),
            space: space.name.clone(),
            space_digest: space.graph.digest(),
            runtime: Runtime::TorchEager,
            mode: Mode::InContext,
            batch: 1,
            threads: 1,
            cores: Vec::new(),
            allocator: Allocator::Retain,
            ci: 0.01,
            sessions: 2,
            max_rounds: 40,
            seed: 0,
            allow_noisy: false,
            clocks: None,
            energy: false,
            shard: None,
        }
    }
}

/// One board's part of the work that several boards of a kind share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its number, from 0.
    #[serde(rename = "part")]
    pub index: u32,
    /// How many there are.
    #[serde(rename = "of")]
    pub count: u32,
}

/// What a workload is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A sampled network.
    Network {
        /// Its architecture.
        arch: Arch,
        /// Whether it is re-measured later to tell the machine's level.
        anchor: bool,
    },
    /// One layer alone.
    Layer {
        /// Its key.
        key: LayerKey,
    },
}

/// What running a layer alone for the first time showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trial {
    /// It runs; memory and first call.
    Ran(Memory),
    /// It does not, and why.
    Failed(String),
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// What was asked for is known to within the wanted width.
    Converged,
    /// It had as many rounds as were allowed.
    #[serde(rename = "round limit")]
    RoundLimit,
    /// Its time was used up.
    #[serde(rename = "time budget")]
    TimeBudget,
    /// The device was slowed down, and waiting did not help.
    Throttled,
    /// It has no end: its journal was cut off. Stands in LUTs only.
    #[serde(rename = "cut off")]
    CutOff,
}

impl EndReason {
    /// In words, as in journals.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::RoundLimit => "round limit",
            Self::TimeBudget => "time budget",
            Self::Throttled => "throttled",
            Self::CutOff => "cut off",
        }
    }
}

/// What energy was measured of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergyTarget {
    /// A network, by the number of its workload.
    #[serde(rename = "unit")]
    Workload(u32),
    /// A layer alone.
    Layer(LayerKey),
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergyResult {
    /// What was counted.
    Measured(Energy),
    /// Why there is none.
    NotObservable(String),
}

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// First line.
    Header(Box<Header>),
    /// The clock settings as they were before any was locked.
    Clocks {
        /// The settings.
        before: Vec<Setting>,
    },
    /// Result of the trial and memory pass for one key; the graph is the layer alone.
    Trial {
        /// Key of the layer.
        key: LayerKey,
        /// The layer as a graph: its inputs and itself.
        graph: Graph,
        /// What happened.
        result: Trial,
    },
    /// Something that will be measured.
    #[serde(rename = "unit")]
    Workload {
        /// Its number.
        #[serde(rename = "unit")]
        workload: u32,
        /// What it is for.
        role: Role,
        /// What runs.
        graph: Graph,
    },
    /// All workloads are listed.
    Planned,
    /// A process of the agent begins to measure.
    Session {
        /// Its number, from 0.
        session: u32,
        /// What is timed in it: that of the header, or whole networks where only the level is looked for.
        mode: Mode,
        /// The machine.
        fingerprint: Fingerprint,
        /// The machine's state at the gate.
        gate: Probes,
    },
    /// A workload is ready.
    Loaded(Loaded),
    /// The fixed kernels.
    Canary {
        /// Round it was taken in; 0 is before the first.
        round: u32,
        /// Its times.
        times: Canary,
    },
    /// The warm-up ended.
    #[serde(rename = "settled")]
    WarmedUp {
        /// Whether the machine became steady.
        #[serde(rename = "settled")]
        is_steady: bool,
    },
    /// A visit that only sizes later ones.
    Sizing {
        /// How often the workload is called in one timed run from now on.
        repeat: u32,
        /// How many runs a visit has from now on.
        runs: u32,
        /// What was seen.
        visit: Visit,
    },
    /// A visit.
    Visit {
        /// Round, from 1.
        round: u32,
        /// Samples.
        visit: Visit,
    },
    /// Visits since the last canary do not count: the machine was not itself.
    Void {
        /// Their sequence numbers.
        sequences: Vec<u64>,
        /// Why.
        reason: String,
    },
    /// A round is complete.
    Round {
        /// Its number, from 1.
        round: u32,
        /// The machine's state.
        probes: Probes,
    },
    /// From a round on, only these workloads are visited: those whose rows are known least.
    Effort {
        /// The first such round, from 1.
        round: u32,
        /// Their numbers.
        #[serde(rename = "units")]
        workloads: Vec<u32>,
    },
    /// A session is complete.
    SessionEnd {
        /// Rounds measured.
        rounds: u32,
        /// Whether what was asked for is known to within the wanted width.
        converged: bool,
        /// Why it ended.
        reason: EndReason,
    },
    /// Energy of a workload or of a layer alone.
    Energy {
        /// What was run.
        target: EnergyTarget,
        /// What was counted.
        result: EnergyResult,
    },
    /// Another process goes on with an interrupted session.
    Resumed,
    /// All sessions are complete.
    Complete,
}
