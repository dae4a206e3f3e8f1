//! Jobs: the requests of the command line to `nasprof-search`, and the results.

use std::path::{Path, PathBuf};
use std::{fs, io};

use nasprof_graph::arch::ArchFile;
use nasprof_lut::replace_file;
use serde::{Deserialize, Serialize};

use crate::config::Experiment;
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
pub const FILES: [&str; 12] = [
    "result.json",
    "checkpoint",
    "config.toml",
    "luts.sha256",
    "metrics.csv",
    "alphas.csv",
    "pareto.csv",
    "arch.json",
    "arch.svg",
    "weights.safetensors",
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
    /// Reads the result of a run folder.
    ///
    /// # Errors
    /// If it cannot be read or is none.
    pub fn read(folder: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(folder.join(FILE))?)?)
    }

    /// Writes it and its architecture into a run folder; at any moment there is the old or the new one of each.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        if let Some(arch) = &self.arch {
            replace_file(&folder.join("arch.json"), &lines(arch)?)?;
        }
        replace_file(&folder.join(FILE), &lines(self)?)
    }
}

fn lines(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
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
