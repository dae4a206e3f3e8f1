//! What the host asks an agent.

use nasprof_graph::Graph;
use serde::{Deserialize, Serialize};

use super::clocks::{ClockRequest, Stored};
use super::model::ModelRequest;

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
    /// Opens a model file.
    OpenModel(ModelRequest),
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
