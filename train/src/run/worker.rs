//! A worker process, which trains one network for its parent: see [`workers`](super::workers).

use nasprof_graph::Arch;
use nasprof_search::config::Plan;
use nasprof_search::events::RunEvent;
use nasprof_search::job::Job;

use super::compute::place;
use super::single::Settings;
use super::trials::Trials;
use crate::error::SearchError;

/// Trains one network in this process, for the parent process that keeps the journal.
///
/// # Errors
/// An invalid experiment, an altered checkpoint, images that cannot be read.
pub fn one(
    job: &Job,
    arch: &Arch,
    number: usize,
    epochs: u32,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<(), SearchError> {
    let plan = Plan::new(job.experiment.clone())?;
    let place = place(Settings::of(&plan)?.training)?;
    let mut trials = Trials::of_worker(&plan, &job.folder, &place, emit)?;
    trials.number(arch, Some(number));
    trials.train_one(arch, epochs).map(drop)
}
