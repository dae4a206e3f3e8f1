//! Whether an experiment may run in a folder.

use std::fs;
use std::io;
use std::path::Path;

use super::FolderError;
use super::checkpoint::{Header, STATE, read_header};
use crate::config::Experiment;
use crate::job::Existing;
use crate::lut_files;

const CONFIG: &str = "config.toml";
/// Files that only a run that got somewhere leaves.
const REMAINS: [&str; 5] = ["metrics.csv", "networks.jsonl", "pareto.csv", "result.json", "run.sha256"];

/// What an experiment finds in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: the run begins.
    New,
    /// The same experiment, with so many epochs done.
    Resumed {
        /// Epochs, those of the warm-up included; 0 before the first checkpoint.
        epochs: u32,
        /// Whether these are all of them.
        finished: bool,
    },
    /// The same experiment, finished with fewer epochs.
    Extended {
        /// Epochs of the finished run, without those of the warm-up.
        from: u32,
    },
}

/// Decides whether a search or a training with checkpoints may run in a folder. A finished run is extended when only
/// `training.epochs` differs and is larger; `training.compute` may differ always.
///
/// # Errors
/// A folder that holds a run if that is not to be resumed, and if it is one of another experiment (the error has the keys); a file that is
/// missing, altered or unreadable; a LUT that is another one by now.
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
    // Searches that train single networks keep a journal in place of a checkpoint.
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
    lut_files::check(folder, experiment)?;
    Ok(claim)
}

/// The same for a search without checkpoints, which takes seconds and is made again when it is resumed.
///
/// # Errors
/// As [`claim`].
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
    lut_files::check(folder, experiment)?;
    Ok(Claim::Resumed { epochs: 0, finished })
}

fn is_finished(experiment: &Experiment, epochs: u32) -> bool {
    epochs > 0 && experiment.training.as_ref().is_some_and(|training| training.all_epochs() == epochs)
}

/// The experiment that a checkpoint is of. `config.toml` has to be the same, or if that is finished one that extends it: an
/// extension that was interrupted before its first epoch has written only that.
fn of_checkpoint(folder: &Path, header: &Header, config: &Experiment) -> Result<Experiment, FolderError> {
    let fail = |e| FolderError::format(&folder.join(STATE), format!("not a checkpoint: {e}"));
    let kept = Experiment::parse(&header.experiment, &[]).map_err(fail)?;
    // It was written before the first checkpoint of wherever the run is computed by now.
    let moved = kept.computed_as(config);
    if *config == moved || (is_finished(&kept, header.epochs) && moved.is_extended_by(config)) {
        return Ok(kept);
    }
    Err(FolderError::OtherConfig { path: folder.join(CONFIG), differences: moved.differences(config) })
}

/// `config.toml`; `None` only if there is no such file.
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

/// A folder without `config.toml` is free, unless a run has left its results there.
fn nothing_remains(folder: &Path) -> Result<(), FolderError> {
    if REMAINS.iter().any(|name| folder.join(name).exists()) {
        return Err(FolderError::Missing { path: folder.join(CONFIG) });
    }
    Ok(())
}
