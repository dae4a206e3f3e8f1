//! Errors of LUTs.

use nasprof_profiler::protocol::Timing;
use thiserror::Error;

/// A LUT that cannot be read, written or used.
#[derive(Debug, Error)]
pub enum LutError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a LUT, or a damaged one.
    #[error("{path}: {problem}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The file is the profile of a model.
    #[error("{path} is the profile of a model, not a LUT of a space")]
    Model {
        /// The file.
        path: String,
    },
    /// The LUT has values that would make its file unreadable.
    #[error("{path} was not written: {problem}")]
    Unwritable {
        /// The file.
        path: String,
        /// The value at fault.
        problem: String,
    },
    /// The LUT holds for another context than the requested one.
    #[error("the LUT belongs to another context: {0}")]
    Context(String),
    /// The journal does not yield a LUT.
    #[error("cannot make a LUT from the journal: {0}")]
    Incomplete(String),
    /// A network was timed only while the machine was disturbed, or not at all.
    #[error("network {network}: one of the processes has no clean run")]
    NoCleanRun {
        /// Number of its workload.
        network: u32,
    },
    /// The LUT cannot predict a network that was measured.
    #[error("network {network}: the LUT has no entry for one of its layers")]
    Uncovered {
        /// Number of its workload.
        network: u32,
    },
    /// The LUT does not tell one of a GPU's latencies.
    #[error("the LUT has no latencies for the timing `{}`", .0.name())]
    Timing(Timing),
    /// A validation needs networks that were not measured for the LUT.
    #[error("-n {wanted}: the space has only {found} unmeasured networks{}", left_out(*.uncovered))]
    TooFewNetworks {
        /// How many were requested.
        wanted: usize,
        /// How many there are.
        found: usize,
        /// How many more there are that it cannot predict.
        uncovered: usize,
    },
}

fn left_out(uncovered: usize) -> String {
    match uncovered {
        0 => String::new(),
        _ => format!(" that the LUT can predict; {uncovered} more have a layer without an entry"),
    }
}
