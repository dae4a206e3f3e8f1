//! The events of a journal.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Graph, LayerKey};
use nasprof_spaces::Space;
use serde::{Deserialize, Serialize};

use crate::protocol::{
    Allocator, Canary, ClockRequest, Energy, Fingerprint, Layout, Loaded, Memory, Precision, Probes, Setting, Timing,
    Visit,
};

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

/// The request for a measurement; the first line of its journal. Two runs may share a journal only if all fields except
/// `allow_noisy` are equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the journal's format, 1.
    pub format_version: u32,
    /// Version of the program that started it.
    pub program_version: String,
    /// Name of the device.
    pub device: String,
    /// Back end of the agent.
    pub backend: String,
    /// Name of the space.
    pub space: String,
    /// Digest of the space's supernet at batch 1, because a space may change without a new name. `sha256:` and 64
    /// hexadecimal digits; versions before 0.2 wrote 16 digits, which are still accepted.
    pub space_digest: String,
    /// The runtime whose optimiser passes were applied.
    pub runtime: Runtime,
    /// Where layers are timed.
    pub mode: Mode,
    /// Batch size.
    pub batch: usize,
    /// Number of threads.
    pub threads: usize,
    /// Cores that the threads are pinned to.
    pub cores: Vec<usize>,
    /// Memory behaviour.
    pub allocator: Allocator,
    /// Data type of the computation; absent: `float32`.
    #[serde(default, skip_serializing_if = "Precision::is_usual")]
    pub precision: Precision,
    /// Memory layout of images; absent: `channels-first`.
    #[serde(default, skip_serializing_if = "Layout::is_usual")]
    pub layout: Layout,
    /// Which latency is meant, on a device with more than one; absent: the device's only latency, or `queue`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Target half-width, relative: of the shape of the sampled networks; in journals before 0.3, of each layer.
    pub ci: f64,
    /// Number of planned sessions.
    pub sessions: u32,
    /// Maximum number of rounds of a session.
    pub max_rounds: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether the run that started the journal measures a machine that fails the gate. A resumed run may choose otherwise;
    /// every row measured on a busy machine is flagged.
    pub allow_noisy: bool,
    /// How to lock the clocks; absent: they are left unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks: Option<ClockRequest>,
    /// Whether energy is measured after the sessions.
    #[serde(default)]
    pub energy: bool,
    /// The shard of the work, if several boards share it; absent: all of the work.
    #[serde(default, rename = "share", skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

impl Header {
    /// The defaults of `nasprof measure`: every layer inside networks, batch 1, one unpinned thread, memory kept, two
    /// sessions, networks to within 1 %. `space` is the space at batch 1.
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
            precision: Precision::Float32,
            layout: Layout::ChannelsFirst,
            timing: None,
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

/// One board's part of a measurement that several boards of a kind share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its number, from 0.
    #[serde(rename = "part")]
    pub index: u32,
    /// Number of shards.
    #[serde(rename = "of")]
    pub count: u32,
}

/// The role of a workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A sampled network.
    Network {
        /// Its architecture.
        arch: Arch,
        /// Whether it is measured again later to determine the machine's level.
        anchor: bool,
    },
    /// One layer alone.
    Layer {
        /// Its key.
        key: LayerKey,
    },
}

/// Result of running a layer alone for the first time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trial {
    /// The layer runs: its memory and first call.
    Ran(Memory),
    /// The layer does not run: the reason.
    Failed(String),
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The results reached the target half-width.
    Converged,
    /// It reached the maximum number of rounds.
    #[serde(rename = "round limit")]
    RoundLimit,
    /// Its time was used up.
    #[serde(rename = "time budget")]
    TimeBudget,
    /// The device was throttled, and waiting did not help.
    Throttled,
    /// The journal ends before the session does. Used in LUTs only.
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

/// The target of an energy measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergyTarget {
    /// A network, by the number of its workload.
    #[serde(rename = "unit")]
    Workload(u32),
    /// A layer alone.
    Layer(LayerKey),
}

/// Result of an energy measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnergyResult {
    /// The measured energy.
    Measured(Energy),
    /// Why there is no energy.
    NotObservable(String),
}

/// One line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// First line.
    Header(Box<Header>),
    /// The original clock settings, before any was locked.
    Clocks {
        /// The settings.
        before: Vec<Setting>,
    },
    /// Result of the trial and memory pass for one key.
    Trial {
        /// Key of the layer.
        key: LayerKey,
        /// The layer alone as a graph, with its inputs.
        graph: Graph,
        /// The result.
        result: Trial,
    },
    /// A workload that will be measured.
    #[serde(rename = "unit")]
    Workload {
        /// Its number.
        #[serde(rename = "unit")]
        workload: u32,
        /// Its role.
        role: Role,
        /// The graph that runs.
        graph: Graph,
    },
    /// All workloads are listed.
    Planned,
    /// A process of the agent begins to measure.
    Session {
        /// Its number, from 0.
        session: u32,
        /// Where layers are timed: as in the header, or whole networks in a session that only determines the level.
        mode: Mode,
        /// The machine.
        fingerprint: Fingerprint,
        /// The machine's state at the gate.
        gate: Probes,
    },
    /// A workload is ready.
    Loaded(Loaded),
    /// The device refuses to load a network, such as one that does not fit into its memory. The measurement of layers goes on
    /// without it.
    Refused {
        /// Number of the workload.
        #[serde(rename = "unit")]
        workload: u32,
        /// The device's reason.
        reason: String,
    },
    /// The fixed kernels.
    Canary {
        /// Round in which it ran; 0 is before the first round.
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
        /// Number of calls in one timed run from now on.
        repeat: u32,
        /// Number of runs of a visit from now on.
        runs: u32,
        /// The samples.
        visit: Visit,
    },
    /// A visit.
    Visit {
        /// Round, from 1.
        round: u32,
        /// Samples.
        visit: Visit,
    },
    /// Visits since the last canary that do not count, because the machine was disturbed.
    Void {
        /// Sequence numbers of the visits.
        sequences: Vec<u64>,
        /// The reason.
        reason: String,
    },
    /// A round is complete.
    Round {
        /// Its number, from 1.
        round: u32,
        /// The machine's state.
        probes: Probes,
    },
    /// From a round on, only these workloads are visited: those with the least certain rows.
    Effort {
        /// The first such round, counted from 1.
        round: u32,
        /// Numbers of the workloads.
        #[serde(rename = "units")]
        workloads: Vec<u32>,
    },
    /// A session is complete.
    SessionEnd {
        /// Number of rounds measured.
        rounds: u32,
        /// Whether the results reached the target half-width.
        converged: bool,
        /// Why it ended.
        reason: EndReason,
    },
    /// Energy of a workload or of a layer alone.
    Energy {
        /// The network or layer.
        target: EnergyTarget,
        /// The result.
        result: EnergyResult,
    },
    /// Another process continues an interrupted session.
    Resumed,
    /// All sessions are complete.
    Complete,
}
