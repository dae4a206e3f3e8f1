//! Requests of the host.

use nasprof_graph::Graph;
use serde::{Deserialize, Serialize};

use super::arithmetic::{Layout, Precision, Timing};
use super::clocks::{ClockRequest, Stored};
use super::model::ModelRequest;

/// How an agent keeps or returns memory. Part of a LUT's context: it changes latencies by up to 30 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allocator {
    /// glibc keeps freed memory: no mmap, no trim, one arena.
    Retain,
    /// glibc's defaults.
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

/// The agent's setup before it loads anything; fixed for the life of its process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The back end, such as `torch`, `cuda:0`, `onnxruntime` or `synthetic:quiet`.
    pub backend: String,
    /// Number of threads that a layer may use.
    pub threads: usize,
    /// Cores to pin the threads to, one core a thread; empty: no pinning.
    pub cores: Vec<usize>,
    /// Memory behaviour.
    pub allocator: Allocator,
    /// Data type of the computation; a back end refuses one that it does not support. Absent: `float32`.
    #[serde(default, skip_serializing_if = "Precision::is_usual")]
    pub precision: Precision,
    /// Memory layout of images; absent: `channels-first`.
    #[serde(default, skip_serializing_if = "Layout::is_usual")]
    pub layout: Layout,
    /// A latency that the back end must be able to measure; otherwise it refuses. Absent: no requirement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// Seed of weights, inputs and, on synthetic devices, of the noise.
    pub seed: u64,
    /// Number of the session, from 0; the noise of a synthetic device depends on it, as on a real device.
    pub session: u32,
    /// How to lock the clocks while this agent runs; absent: they are left unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clocks: Option<ClockRequest>,
    /// Name of the host's copy of the original clocks; empty: there is no copy.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub clock_copy: String,
}

/// From the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Sets up the agent: once, before all requests except [`Request::Clocks`] and [`Request::RestoreClocks`].
    Configure(Setup),
    /// Builds a network and runs it once.
    Load {
        /// Number by which later requests name it.
        #[serde(rename = "unit")]
        workload: u32,
        /// The pruned graph to run.
        graph: Graph,
    },
    /// Opens a model file.
    OpenModel(ModelRequest),
    /// Times a loaded network.
    Visit(VisitRequest),
    /// Times the two fixed kernels.
    Canary,
    /// Advances virtual time; in real time the host waits instead.
    PassTime {
        /// How much.
        nanoseconds: u64,
    },
    /// Reads the machine's state.
    Probe,
    /// Reads the current clock settings, before any is locked.
    Clocks {
        /// How the clocks will be locked.
        how: ClockRequest,
    },
    /// Restores clock settings from the host's copy if the device has lost its own.
    RestoreClocks {
        /// The copy.
        copy: Stored,
    },
    /// Measures the memory of a graph and its first run.
    Memory {
        /// The graph.
        graph: Graph,
    },
    /// Measures the energy of a graph.
    Energy {
        /// The graph.
        graph: Graph,
    },
    /// Restores locked clocks and ends the agent.
    Bye,
}

/// One visit: untimed runs, then timed runs with and without timers between the layers, alternating.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisitRequest {
    /// Number of the visit in its session.
    pub sequence: u64,
    /// The loaded workload to visit.
    #[serde(rename = "unit")]
    pub workload: u32,
    /// Untimed runs at the start: after other networks, a network's weights are no longer in the near caches.
    pub warm_up_runs: u32,
    /// Runs with a timer between the layers.
    pub layer_runs: u32,
    /// Runs timed as a whole.
    pub whole_runs: u32,
    /// Calls per timed whole run (single calls of isolated layers are too short to time).
    pub repeat: u32,
    /// Further latencies to measure, besides the time behind a full queue; the device must have listed them. Each gets
    /// `whole_runs` runs; `wall` also gets `layer_runs` runs that time the launches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timings: Vec<Timing>,
}
