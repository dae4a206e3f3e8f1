//! What the command line asks `nasprof-search` to do, and what it gets back.

use std::path::PathBuf;

use nasprof_graph::arch::ArchFile;
use serde::{Deserialize, Serialize};

use crate::config::Experiment;

/// A request, as JSON on the standard input of `nasprof-search`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What to do.
    pub task: Task,
    /// The experiment, with everything set over it.
    pub experiment: Experiment,
    /// The run folder.
    pub folder: PathBuf,
    /// Whether to go on from the folder's checkpoint.
    pub resume: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Run the experiment.
    Run,
    /// Select once more from a finished search, its estimated latencies multiplied by a factor.
    Select {
        /// Measured over estimated latency of the winner.
        factor: f64,
    },
}

/// `result.json` of a run folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// Always 1.
    pub format_version: u32,
    /// The winner; absent for a genotype, which is no selection of the space's choices.
    pub arch: Option<ArchFile>,
    /// What a latency constraint aims at, or the upper bound of a rejection, milliseconds.
    pub target_ms: Option<f64>,
    /// The winner's latency by the LUT, milliseconds.
    pub estimated_ms: Option<f64>,
    /// Its latency on the device; absent until it was measured.
    pub measured: Option<Measured>,
    /// What the winner was selected with instead of the LUT's own latencies: measured over estimated of an earlier winner.
    pub factor: f64,
    /// Whether all hard limits are kept to, by the estimates and the factor.
    pub feasible: bool,
    /// Whether the most probable architecture had to be left because of the limits.
    pub repaired: bool,
    /// Share of correctly classified images.
    pub accuracy: f64,
    /// Which images, and with which weights.
    pub accuracy_of: String,
    /// All regularized quantities of the winner, in the experiment's order.
    pub quantities: Vec<QuantityResult>,
    /// Trainable parameters of the winner.
    pub params: u64,
    /// Multiply-accumulates of the winner for one image.
    pub macs: u64,
    /// Time in the run, over all its parts, seconds.
    pub seconds: f64,
    /// The experiment's seed.
    pub seed: u64,
}

/// One quantity of the winner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantityResult {
    /// `latency`, `memory`, `params` or `macs`.
    pub quantity: String,
    /// How it was regularized.
    pub kind: String,
    /// The target or upper bound.
    pub limit: Option<f64>,
    /// Its value by LUT and graph.
    pub estimated: f64,
}

/// The winner on the device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Trimmed mean of its clean runs, milliseconds.
    pub latency_ms: f64,
    /// Interval around the median of rounds, milliseconds.
    pub ci_ms: Option<[f64; 2]>,
    /// Measured over estimated on the LUT's anchors, in the same session: the machine's state then.
    pub level: Option<f64>,
    /// The device.
    pub device: String,
    /// Whether the machine was too noisy and was measured all the same.
    pub noisy: bool,
}
