//! Jobs: the requests of the command line to `nasprof-search`, and the results.

use std::path::{Path, PathBuf};
use std::{fs, io};

use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use serde::{Deserialize, Serialize};

use crate::config::Experiment;
use crate::folder::{FolderError, write_result};
use crate::winner::{Found, Latency};

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
    /// What to do with a run that the folder holds already.
    pub existing: Existing,
}

/// What to do with a run that a folder holds already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// Nothing is touched.
    Refuse,
    /// The run is gone on with, if it is of the same experiment with the same LUTs.
    Resume,
    /// A new run takes its place, whatever it was.
    Overwrite,
}

/// What a run writes into its folder; other files there are not ours.
pub const FILES: [&str; 18] = [
    "result.json",
    "judged.json",
    "run.sha256",
    "checkpoint",
    "config.toml",
    "luts.sha256",
    "metrics.csv",
    "alphas.csv",
    "pareto.csv",
    "arch.json",
    "arch.svg",
    "weights.safetensors",
    "networks.jsonl",
    "networks.parquet",
    "candidates.parquet",
    "trials.jsonl",
    "tensorboard",
    "log.txt",
];

/// Removes the files of a run from its folder, but for those that are `kept`.
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
    /// Select once more from a finished search, its estimated latencies multiplied by a factor.
    Select {
        /// Measured over estimated latency of the winner.
        factor: f64,
    },
    /// Train a list of networks, one after the other, each by itself.
    TrainMany {
        /// The list, as [`crate::trials::read_list`] takes it.
        list: PathBuf,
    },
    /// Judge the networks of a table with the weights of a finished search's supernet.
    Judge {
        /// The table of trained networks.
        table: PathBuf,
    },
    /// Train one network for a search, which started this process and keeps the journal in the folder.
    TrainOne {
        /// The network.
        arch: Arch,
        /// Its number in the search, which names its checkpoints.
        number: usize,
        /// Epochs that it has had at the end.
        epochs: u32,
    },
}

/// `result.json` of a run folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// Always 1.
    pub format_version: u32,
    /// The winner; absent for a genotype, which is no selection of the space's choices.
    pub arch: Option<ArchFile>,
    /// Its latency: wanted, estimated and measured.
    #[serde(flatten)]
    pub latency: Latency,
    /// Whether all hard limits are kept to, by the estimates and the factor.
    pub feasible: bool,
    /// Whether the most probable architecture had to be left because of the limits.
    pub repaired: bool,
    /// Share of correctly classified images: of a search validation images, of a training test images.
    pub accuracy: f64,
    /// Which images, and with which weights.
    pub accuracy_of: String,
    /// How many images; absent in results of versions before 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_images: Option<usize>,
    /// Where it was computed, and why there; absent in results of versions before 0.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computed_on: Option<String>,
    /// How often the training images were gone over; absent in results of versions before 0.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<Epochs>,
    /// Of a training: which epoch's weights were kept, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Trained>,
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
    /// Reads the result of a run folder.
    ///
    /// # Errors
    /// If it cannot be read or is none.
    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(folder.join(FILE))?)?)
    }

    /// Writes it and its architecture into a run folder, with the list of the run's files.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        write_result(folder, self.arch.as_ref(), self)
    }

    /// How many images the accuracy is of. Older results have it as the first word of `accuracy_of` only.
    #[must_use]
    pub fn images(&self) -> Option<usize> {
        self.accuracy_images.or_else(|| self.accuracy_of.split_whitespace().next()?.parse().ok())
    }
}

/// Passes over the training images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epochs {
    /// All of them.
    pub all: u32,
    /// The first ones, in which a search trains weights only: `training.warm_up_epochs`.
    pub warm_up: u32,
    /// The ones after: `training.epochs`.
    pub after_warm_up: u32,
    /// The values of `training.epochs` with which the run was finished before it was extended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended_from: Vec<u32>,
}

impl Epochs {
    /// In words, with what comes first: `3 epochs: 1 of warm-up (weights only), then 2`.
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

/// Which weights a training kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// The epoch whose weights were kept, counted from 1: the one with the smallest error on the validation images, or
    /// without validation images the last one.
    pub epoch: u32,
    /// Images that weights were learnt from.
    pub train_images: usize,
    /// Images that the epoch was chosen by; none were learnt from.
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
    /// Its value by LUT and graph.
    pub estimated: f64,
}
