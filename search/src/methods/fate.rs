//! The fate of each network in a search, and the table of them.

use std::collections::BTreeMap;
use std::path::Path;

use nasprof_graph::arch::ArchFile;
use nasprof_graph::{Arch, Choice};

use super::Progress;
use crate::columns::{Column, TableError, write_columns};

/// The fate of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Not trained, because its cheap scores were among the worst.
    Ranked,
    /// Its training was stopped early.
    Stopped,
    /// Its training failed.
    Failed,
    /// It was trained in full.
    Trained,
    /// It was trained in full and is the winner.
    Chosen,
}

impl Fate {
    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ranked => "ranked",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Trained => "trained",
            Self::Chosen => "chosen",
        }
    }
}

/// A network that a search considered.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The network.
    pub arch: Arch,
    /// Its cheap scores, as far as the search requested them.
    pub scores: BTreeMap<String, f64>,
    /// Progress of its training; `None` if it was not trained.
    pub progress: Option<Progress>,
    /// Its fate.
    pub fate: Fate,
}

/// Writes the fate of all networks as Parquet (`candidates.parquet` of a run folder); the file is replaced atomically.
///
/// # Errors
/// If the file cannot be written.
pub fn write_candidates(
    path: &Path,
    space: &str,
    choices: &[Choice],
    candidates: &[Candidate],
) -> Result<(), TableError> {
    let fail = |e: serde_json::Error| TableError::Format { path: path.to_owned(), problem: e.to_string() };
    let text = |of: &dyn Fn(&Candidate) -> serde_json::Result<String>| {
        candidates.iter().map(|c| of(c).map(Some)).collect::<Result<Vec<_>, _>>().map(Column::Text).map_err(fail)
    };
    let progress = |of: fn(&Progress) -> Option<f64>| {
        Column::Real(candidates.iter().map(|c| c.progress.as_ref().and_then(of)).collect())
    };
    let columns = vec![
        ("arch", text(&|c| serde_json::to_string(&ArchFile::new(space, choices, &c.arch)))?),
        ("scores", text(&|c| serde_json::to_string(&c.scores))?),
        ("fate", text(&|c| Ok(c.fate.name().to_owned()))?),
        (
            "epochs",
            Column::Whole(candidates.iter().map(|c| Some(c.progress.map_or(0, |p| i64::from(p.epochs)))).collect()),
        ),
        ("decayed_loss_sum", progress(|p| p.loss)),
        ("valid_accuracy", progress(|p| Some(p.valid))),
    ];
    write_columns(path, &columns)
}
