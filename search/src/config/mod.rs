//! Experiment files: the description of a search or a training.
//!
//! A file has `format_version`, `space`, the tables `[data]`, `[training]` and `[optimizers.…]`, any number of
//! `[[regularizers]]`, and either `[searcher]` or `[trainer]`. [`Experiment::parse`] reads it. [`Plan::new`] loads the
//! inputs, and reports every error that can be found before training starts.

mod budget;
mod check;
mod compute;
mod data;
mod difference;
mod error;
mod loaded;
mod loaders;
mod network;
mod optimizer;
mod plan;
mod regularizer;
mod searcher;
mod space;
mod text;
mod trainer;
mod training;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use compute::{Compute, Layout, Precision};
pub use data::{DataConfig, DataSetKind};
pub use difference::Difference;
pub use error::ConfigError;
pub use loaded::LoadedRegularizer;
pub use loaders::Loaders;
pub use network::Network;
pub use optimizer::{Optimizer, OptimizerKind, Optimizers};
pub use plan::Plan;
pub use regularizer::{Quantity, Regularizer, RegularizerKind};
pub use searcher::{
    ArchitectureGradient, DartsOrder, Evolution, FinalChoice, Halving, Judge, LASTING_EPOCHS, Paths, Score, Searcher,
};
pub use trainer::Trainer;
pub use training::{Batches, Training};

/// An experiment file, with the defaults filled in. Relative paths are relative to the current directory of the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Always 1.
    pub format_version: u32,
    /// Name of a built-in space, or a TOML file.
    pub space: String,
    /// The seed of every random draw.
    #[serde(default)]
    pub seed: u64,
    /// The device to measure the winner on. Without it, the latency is only estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// A table of trained networks that replaces training: the CSV of NAS-Bench-201, or the `networks.parquet` of
    /// `nasprof train --many`. The search then only counts the cost of its trainings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_table: Option<PathBuf>,
    /// The images. Left out by searches that need no training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataConfig>,
    /// Epochs, batches, loss. Left out by searches that need no training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// The optimizers of weights and architecture.
    #[serde(default)]
    pub optimizers: Optimizers,
    /// Limits and costs of a search besides accuracy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regularizers: Vec<Regularizer>,
    /// How to search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searcher: Option<Searcher>,
    /// What to train.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trainer: Option<Trainer>,
}

impl Experiment {
    /// The default search, for experiments with hard limits and either a training or an accuracy table: the staged search.
    fn usual_searcher(&self) -> Option<Searcher> {
        let limited = self.regularizers.iter().any(|r| r.kind == RegularizerKind::Reject);
        let trains = self.training.is_some() || self.accuracy_table.is_some();
        (self.trainer.is_none() && limited && trains).then(Searcher::staged)
    }

    /// Whether it trains weights; searches on scores or on a table do not.
    #[must_use]
    pub fn trains(&self) -> bool {
        self.accuracy_table.is_none() && self.searcher.as_ref().is_none_or(Searcher::trains)
    }
}
