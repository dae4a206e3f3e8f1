//! Jobs: the requests of the command line to `nasprof-search`, and the results.

use std::path::{Path, PathBuf};
use std::{fs, io};

use nasprof_base::text::count;
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use serde::{Deserialize, Serialize};

use crate::config::Experiment;
use crate::folder::{FolderError, LOG, write_result};
use crate::winner::{Found, Latency};

const FILE: &str = "result.json";

/// A request, as JSON on the standard input of `nasprof-search`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What to do.
    pub task: Task,
    /// The experiment, with all overrides applied.
    pub experiment: Experiment,
    /// The run folder.
    pub folder: PathBuf,
    /// What to do with an existing run in the folder.
    pub existing: Existing,
}

/// What to do with an existing run in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// Leave it untouched.
    Refuse,
    /// Resume it, if it is a run of the same experiment with the same LUTs.
    Resume,
    /// Replace it with a new run.
    Overwrite,
}

/// Files that a run writes into its folder; other files belong to the user. They are removed in this order: what another run
/// could go on from comes first, and `config.toml` last, so that it never is without its `config.toml`.
pub const FILES: [&str; 19] = [
    "trials.jsonl",
    "networks.jsonl",
    "checkpoint",
    "result.json",
    "judged.json",
    "run.sha256",
    "luts.sha256",
    "metrics.csv",
    "alphas.csv",
    "pareto.csv",
    "pareto.svg",
    "arch.json",
    "arch.svg",
    "weights.safetensors",
    "networks.parquet",
    "candidates.parquet",
    "tensorboard",
    LOG,
    "config.toml",
];

/// Removes the files of a run from its folder, except those in `kept`.
///
/// # Errors
/// If one of them cannot be removed.
pub fn clear(folder: &Path, kept: &[&str]) -> io::Result<()> {
    for name in FILES.into_iter().filter(|name| !kept.contains(name)) {
        let path = folder.join(name);
        let removed =
            if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Run the experiment.
    Run,
    /// Select another winner from a finished search, with all estimated latencies multiplied by a factor.
    Select {
        /// Measured over estimated latency of the winner.
        factor: f64,
    },
    /// Train a list of networks one by one.
    TrainMany {
        /// The list, in the format of [`crate::trials::read_list`].
        list: PathBuf,
    },
    /// Judge the networks of a table with the weights of a finished search's supernet.
    Judge {
        /// The table of trained networks.
        table: PathBuf,
    },
    /// Train one network for the search that started this process. The search keeps the journal in the folder.
    TrainOne {
        /// The network.
        arch: Arch,
        /// Its number in the search, which names its checkpoints.
        number: usize,
        /// Total epochs of the network at the end of the job.
        epochs: u32,
    },
}

/// `result.json` of a run folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Always 1.
    pub format_version: u32,
    /// The winner; absent for a genotype, which is not a selection of the space's choices.
    pub arch: Option<ArchFile>,
    /// Its target, limit, estimated and measured latency.
    #[serde(flatten)]
    pub latency: Latency,
    /// Whether it meets all hard limits, by the estimates times the factor.
    pub feasible: bool,
    /// Whether the limits ruled out the most probable architecture.
    pub repaired: bool,
    /// Share of correctly classified images: validation images for a search, test images for a training.
    pub accuracy: f64,
    /// The images and the weights of the accuracy, in words.
    pub accuracy_of: String,
    /// Number of these images; absent in results of versions before 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_images: Option<usize>,
    /// The device of the computation and the reason for it; absent in results of versions before 0.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computed_on: Option<String>,
    /// Passes over the training images; absent in results of versions before 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<Epochs>,
    /// For a training: the epoch whose weights are kept, and the images that decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Trained>,
    /// For a search that trains single networks: its cost; absent in results of versions before 0.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
    /// All regularized quantities of the winner, in the experiment's order.
    pub quantities: Vec<QuantityResult>,
    /// Trainable parameters of the winner.
    pub params: u64,
    /// Multiply-accumulates of the winner for one image.
    pub macs: u64,
    /// Duration of the run in seconds, summed over its parts if it was resumed.
    pub seconds: f64,
    /// The experiment's seed.
    pub seed: u64,
}

impl RunResult {
    /// Reads the result of a run folder.
    ///
    /// # Errors
    /// If the file cannot be read or is not a result.
    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(folder.join(FILE))?)?)
    }

    /// Writes the result and its architecture into a run folder, with the list of the run's files.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        write_result(folder, self.arch.as_ref(), self)
    }

    /// Number of images of the accuracy. Older results have it only as the first word of `accuracy_of`.
    #[must_use]
    pub fn images(&self) -> Option<usize> {
        self.accuracy_images.or_else(|| self.accuracy_of.split_whitespace().next()?.parse().ok())
    }
}

/// Passes over the training images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epochs {
    /// All passes.
    pub all: u32,
    /// The warm-up, in which a search trains only weights: `training.warm_up_epochs`.
    pub warm_up: u32,
    /// The passes after the warm-up: `training.epochs`.
    pub after_warm_up: u32,
    /// Earlier values of `training.epochs`, with which the run finished before it was extended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended_from: Vec<u32>,
}

impl Epochs {
    /// In words: `3 epochs: 1 of warm-up (weights only), then 2`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { all, warm_up, after_warm_up, .. } = self;
        let epochs = |n: u32| if n == 1 { "1 epoch".to_owned() } else { format!("{n} epochs") };
        match warm_up {
            0 => epochs(*all),
            _ => format!("{}: {warm_up} of warm-up (weights only), then {after_warm_up}", epochs(*all)),
        }
    }
}

/// The cost of a search that trains single networks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// Trained epochs, summed over all networks.
    pub epochs: u64,
    /// The same in full trainings of one network.
    pub trainings: f64,
}

impl Spent {
    /// In words: `12 epochs, or 4.0 full trainings, in 35 s; random search trains 4 networks at this cost`. `seconds` is the
    /// duration of the search.
    #[must_use]
    pub fn in_words(&self, seconds: f64) -> String {
        let Self { epochs, trainings } = self;
        // The small extra makes 3 epochs of 3 a whole training despite rounding.
        let networks = count((trainings + 1e-9) as usize, "network");
        let epochs = count(*epochs as usize, "epoch");
        format!(
            "{epochs}, or {trainings:.1} full trainings, in {seconds:.0} s; random search trains {networks} at this cost"
        )
    }
}

/// The weights that a training keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// The epoch of the weights, counted from 1: the one with the smallest error on the validation images, or the last one
    /// without validation images.
    pub epoch: u32,
    /// Number of images that the weights were learnt from.
    pub train_images: usize,
    /// Number of images that selected the epoch; no weights were learnt from them.
    pub valid_images: usize,
    /// Share of the validation images that the kept weights classify correctly; absent without validation images.
    pub valid_accuracy: Option<f64>,
}

impl Found for RunResult {
    fn arch(&self) -> Option<&ArchFile> {
        self.arch.as_ref()
    }

    fn latency(&mut self) -> &mut Latency {
        &mut self.latency
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
    /// Its value, estimated by LUT and graph.
    pub estimated: f64,
}
