//! What the command line asks `nasprof-search` to do, and what it gets back.

use std::path::{Path, PathBuf};
use std::{fs, io};

use nasprof_graph::arch::ArchFile;
use nasprof_lut::replace_file;
use serde::{Deserialize, Serialize};

use crate::config::Experiment;

const FILE: &str = "result.json";

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
    /// What a latency constraint aims at, milliseconds.
    pub target_ms: Option<f64>,
    /// The hard upper bound on latency, milliseconds.
    pub limit_ms: Option<f64>,
    /// The winner's latency by the LUT, milliseconds.
    pub estimated_ms: Option<f64>,
    /// Its latency on the device; absent until it was measured.
    pub measured: Option<Measured>,
    /// The winner before this one, if its measured latency missed the target and one more was selected.
    pub earlier: Option<Earlier>,
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

impl RunResult {
    /// Whether a measured latency is out of bounds, or further from the target than `tolerance` (relative).
    #[must_use]
    pub fn misses(&self, measured_ms: f64, tolerance: f64) -> bool {
        self.limit_ms.is_some_and(|limit| measured_ms > limit)
            || self.target_ms.is_some_and(|target| (measured_ms / target - 1.0).abs() > tolerance)
    }

    /// Reads the result of a run folder.
    ///
    /// # Errors
    /// If it cannot be read or is none.
    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(folder.join(FILE))?)?)
    }

    /// Writes it into a run folder; at any moment there is the old or the new one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        replace_file(&folder.join(FILE), &text)
    }
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

/// A winner that missed the target on the device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// The architecture.
    pub arch: Option<ArchFile>,
    /// Its latency by the LUT, milliseconds.
    pub estimated_ms: Option<f64>,
    /// Its latency on the device.
    pub measured: Option<Measured>,
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
    /// Whether a machine that is busy was measured all the same.
    pub allow_noisy: bool,
}
