//! Runs and their folders: searches and trainings from the start, or from a checkpoint, to the result.

mod alphas;
mod checkpoint;
mod compute;
mod folder;
mod images;
mod judging;
mod many;
mod progress;
mod search;
mod single;
mod staged;
mod train;
mod trial;
mod trials;
mod worker;
mod workers;

use std::path::Path;

use nasprof_search::config::{ConfigError, Plan};
use nasprof_search::events::RunEvent;
use nasprof_search::job::{Job, RunResult, Task};

use crate::error::SearchError;
use crate::searchers;

pub use many::many;
pub use search::search_with;
pub use worker::one;
pub use workers::ABANDONED;

/// Runs a job. `emit` receives the events of the run, such as its progress.
///
/// # Errors
/// An experiment that cannot be run, a folder that is in use or holds another run, a training that diverges.
pub fn run(job: &Job, emit: &mut dyn FnMut(RunEvent)) -> Result<RunResult, SearchError> {
    let plan = Plan::new(job.experiment.clone())?;
    if job.task == Task::Run {
        plan.warnings.iter().for_each(|warning| emit(RunEvent::Line(warning.clone())));
    }
    match (&plan.experiment.searcher, &job.task) {
        (Some(settings), Task::Run | Task::Select { .. } | Task::Judge { .. }) => {
            let factor = if let Task::Select { factor } = &job.task { Some(*factor) } else { None };
            if settings.trainings().is_some() {
                if let Task::Judge { .. } = job.task {
                    return Err(SearchError::Searcher("this search has no supernet to judge with".to_owned()));
                }
                return staged::search(&plan, job, settings, factor, emit);
            }
            let searcher = searchers::of(settings).ok_or_else(|| ConfigError::Key {
                key: "searcher.kind".to_owned(),
                problem: "this search trains nothing; `nasprof-search` does not run it".to_owned(),
            })?;
            search::search(&plan, job, searcher, factor, emit)
        }
        (None, Task::Run) => train::train(&plan, job, emit),
        (_, Task::TrainOne { .. }) => {
            Err(SearchError::Searcher("a network of a search has no result: `run::one` trains it".to_owned()))
        }
        (_, Task::TrainMany { .. }) => {
            Err(SearchError::Searcher("a list of networks has no single result: `run::many` trains it".to_owned()))
        }
        (None, Task::Select { .. } | Task::Judge { .. }) => {
            Err(SearchError::Searcher("a training has nothing to select".to_owned()))
        }
    }
}

/// Writes a file, and replaces an existing one atomically.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), SearchError> {
    nasprof_lut::replace_file(path, bytes).map_err(|source| SearchError::file(path, source))
}
