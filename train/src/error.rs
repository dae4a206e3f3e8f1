//! Errors of searches and trainings.

use std::io;
use std::path::{Path, PathBuf};

use nasprof_graph::expectation::ExpectationError;
use nasprof_search::CostError;
use nasprof_search::config::ConfigError;
use nasprof_search::data::DataError;
use nasprof_search::evolution::EvolutionError;
use nasprof_search::folder::FolderError;
use nasprof_search::methods::MethodError;
use nasprof_search::methods::table::AccuracyTableError;
use nasprof_search::trials::{ListError, TableError};
use tch::TchError;
use thiserror::Error;

use crate::place::NoGpu;
use crate::supernet::NetworkError;

/// A search or a training that cannot go on.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The experiment cannot be run.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The network cannot be built or run.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The images are missing or damaged.
    #[error(transparent)]
    Data(#[from] DataError),
    /// An architecture's cost is unknown.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// An expected cost is unknown.
    #[error(transparent)]
    Expectation(#[from] ExpectationError),
    /// The search found no winner with the trained weights.
    #[error(transparent)]
    Evolution(#[from] EvolutionError),
    /// The loss or a weight is not finite: the training has diverged.
    #[error("the loss is {loss} at learning rate {learning_rate}{}", .epoch.map_or_else(String::new, |e| format!(" in epoch {e}")))]
    Diverged {
        /// The loss.
        loss: f64,
        /// The learning rate of the step.
        learning_rate: f64,
        /// The epoch, counted from 1 including the warm-up.
        epoch: Option<u32>,
        /// The last checkpoint before the divergence.
        checkpoint: Option<PathBuf>,
    },
    /// A checkpoint of another space, or a damaged one.
    #[error("{path}: {problem}")]
    Checkpoint {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A search that trains single networks found nothing.
    #[error(transparent)]
    Method(MethodError),
    /// The list of networks cannot be used.
    #[error(transparent)]
    List(#[from] ListError),
    /// The table of networks cannot be written.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The table of networks to judge cannot be used.
    #[error(transparent)]
    AccuracyTable(#[from] AccuracyTableError),
    /// The run folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such GPU, or no library for it.
    #[error(transparent)]
    NoGpu(#[from] NoGpu),
    /// The GPU has too little memory.
    #[error("{0}")]
    GpuMemory(String),
    /// The GPU no longer works in this process.
    #[error("{0}")]
    GpuLost(String),
    /// An error of the search, or of a custom searcher.
    #[error("{0}")]
    Searcher(String),
}

impl SearchError {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(crate) fn checkpoint(path: &Path, problem: impl Into<String>) -> Self {
        Self::Checkpoint { path: path.to_owned(), problem: problem.into() }
    }

    /// What to do about it, if the message does not already say so.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Data(error) => error.hint(),
            Self::NoGpu(error) => Some(error.hint()),
            Self::Method(MethodError::NoNetwork) | Self::Evolution(EvolutionError::NothingFound { .. }) => Some(
                "widen the limits: `nasprof rank` lists the best networks within limits, and `nasprof pareto` what is in reach"
                    .to_owned(),
            ),
            Self::Method(MethodError::NoSurvivor { .. }) => Some(
                "log.txt in the run's folder says why each failed; lower the learning rate if they diverged".to_owned(),
            ),
            Self::List(_) => Some(
                "`nasprof space sample` prints such a list, one network of the space in each line"
                    .to_owned(),
            ),
            Self::AccuracyTable(_) => Some("the table must be the `networks.parquet` of trainings of networks of this space".to_owned()),
            Self::GpuMemory(_) => {
                Some("lower training.mini_batch (images on the GPU at once) or training.batch_size".to_owned())
            }
            Self::Diverged { checkpoint, .. } => {
                let last = checkpoint.as_ref().map_or_else(
                    || "there is no checkpoint yet".to_owned(),
                    |path| format!("the last good checkpoint is {}", path.display()),
                );
                Some(format!("lower the learning rate or clip gradients; {last}"))
            }
            _ => None,
        }
    }
}

impl From<TchError> for SearchError {
    fn from(error: TchError) -> Self {
        Self::Network(error.into())
    }
}
