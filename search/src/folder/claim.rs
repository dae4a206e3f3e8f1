//! Whether an experiment may run in a folder.

use std::fs;
use std::io;
use std::path::Path;

use super::FolderError;
use super::checkpoint::{Header, STATE, read_header};
use crate::config::Experiment;
use crate::inputs;
use crate::job::Existing;

const CONFIG: &str = "config.toml";
/// Files that only a run with results leaves.
const REMAINS: [&str; 6] = ["metrics.csv", "networks.jsonl", "pareto.csv", "result.json", "run.sha256", "trials.jsonl"];

/// The state of an experiment's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// No run: a new one begins.
    New,
    /// A run of the same experiment, with `epochs` completed.
    Resumed {
        /// Completed epochs, including the warm-up; 0 before the first checkpoint.
        epochs: u32,
        /// Whether the run is finished.
        finished: bool,
    },
    /// A finished run of the same experiment with fewer epochs.
    Extended {
        /// Epochs of the finished run, without the warm-up.
        from: u32,
    },
}

/// Decides whether a search or a training with checkpoints may run in a folder. A finished run can be extended if only
/// `training.epochs` differs and is larger. `training.compute`, `processes` and `cuda_graphs`, and `tf32` or `float32` as
/// `precision`, may always differ.
///
/// # Errors
/// A folder that holds a run, if `existing` refuses it; a run of another experiment (the error lists the keys); a missing,
/// altered or unreadable file; a LUT or an accuracy table that has changed.
pub fn claim(folder: &Path, experiment: &Experiment, existing: Existing) -> Result<Claim, FolderError> {
    if existing == Existing::Overwrite {
        return Ok(Claim::New);
    }
    let header = read_header(folder)?;
    let Some(config) = read_config(folder)? else {
        return match header {
            Some(_) => Err(FolderError::Missing { path: folder.join(CONFIG) }),
            None => nothing_remains(folder).map(|()| Claim::New),
        };
    };
    let kept = match &header {
        Some(header) => of_checkpoint(folder, header, &config)?,
        None => config,
    }
    .computed_as(experiment);
    let epochs = header.as_ref().map_or(0, |header| header.epochs);
    // Searches that train networks one by one keep a journal instead of a checkpoint.
    let has_journal = kept.searcher.as_ref().is_some_and(|searcher| searcher.trainings().is_some());
    let finished = if has_journal { folder.join("run.sha256").exists() } else { is_finished(&kept, epochs) };
    let (path, differences) = (folder.to_owned(), kept.differences(experiment));
    if existing == Existing::Refuse {
        return Err(FolderError::Occupied { path, finished, differences });
    }
    let claim = if kept == *experiment {
        Claim::Resumed { epochs, finished }
    } else if has_journal || !kept.is_extended_by(experiment) {
        return Err(FolderError::OtherExperiment { path, differences });
    } else if !finished {
        return Err(FolderError::Unfinished { path, differences });
    } else {
        Claim::Extended { from: kept.training.as_ref().map_or(0, |training| training.epochs) }
    };
    if header.is_none() && !has_journal && ["metrics.csv", "result.json"].iter().any(|name| folder.join(name).exists())
    {
        return Err(FolderError::Missing { path: folder.join(STATE) });
    }
    inputs::check(folder, experiment)?;
    Ok(claim)
}

/// As [`claim`], for a search without checkpoints: an unfinished one runs again when it is resumed.
///
/// # Errors
/// Those of [`claim`].
pub fn claim_sampled(folder: &Path, experiment: &Experiment, existing: Existing) -> Result<Claim, FolderError> {
    if existing == Existing::Overwrite {
        return Ok(Claim::New);
    }
    let Some(kept) = read_config(folder)? else {
        return nothing_remains(folder).map(|()| Claim::New);
    };
    let (path, differences) = (folder.to_owned(), kept.differences(experiment));
    let finished = folder.join("result.json").exists();
    if existing == Existing::Refuse {
        return Err(FolderError::Occupied { path, finished, differences });
    }
    if !differences.is_empty() {
        return Err(FolderError::OtherExperiment { path, differences });
    }
    inputs::check(folder, experiment)?;
    Ok(Claim::Resumed { epochs: 0, finished })
}

fn is_finished(experiment: &Experiment, epochs: u32) -> bool {
    epochs > 0 && experiment.training.as_ref().is_some_and(|training| training.all_epochs() == epochs)
}

/// The experiment of a checkpoint. `config.toml` must be the same, or extend a finished one: an extension that is
/// interrupted before its first epoch has only written `config.toml`.
fn of_checkpoint(folder: &Path, header: &Header, config: &Experiment) -> Result<Experiment, FolderError> {
    let fail = |e| FolderError::format(&folder.join(STATE), format!("not a checkpoint: {e}"));
    let kept = Experiment::parse(&header.experiment, &[]).map_err(fail)?;
    // `config.toml` may already name the device and processes of a resumed run, and the checkpoint not yet.
    let moved = kept.computed_as(config);
    if *config == moved || (is_finished(&kept, header.epochs) && moved.is_extended_by(config)) {
        return Ok(kept);
    }
    Err(FolderError::OtherConfig { path: folder.join(CONFIG), differences: moved.differences(config) })
}

/// Reads `config.toml`; `None` only if there is no such file.
fn read_config(folder: &Path) -> Result<Option<Experiment>, FolderError> {
    let path = folder.join(CONFIG);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let damaged = |e| FolderError::format(&path, format!("is damaged: {e}"));
            Experiment::parse(&text, &[]).map(Some).map_err(damaged)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(FolderError::file(&path, e)),
    }
}

/// Accepts a folder without `config.toml`, unless it holds the results of a run.
fn nothing_remains(folder: &Path) -> Result<(), FolderError> {
    if REMAINS.iter().any(|name| folder.join(name).exists()) {
        return Err(FolderError::Missing { path: folder.join(CONFIG) });
    }
    Ok(())
}
