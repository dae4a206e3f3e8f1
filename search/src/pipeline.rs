//! From an experiment to its winner. If the experiment names a device, the winner is measured, and selected again until the
//! measured latency meets the budget.

use std::path::{Path, PathBuf};

use nasprof_graph::arch::ArchFile;

use crate::config::Experiment;
use crate::evolution::{self, RunError, SampledResult, Sampling};
use crate::folder::{Claim, FolderError, claim, claim_sampled, finished};
use crate::job::{Existing, Job, RunResult, Task};
use crate::winner::{DeviceEvaluator, Measured, Selector, select_on_device};

/// Runs the jobs of searches that train: `nasprof-search`, or a substitute in tests.
pub trait Trainer {
    /// Its errors.
    type Error;

    /// Runs a job, which leaves its result in the run folder.
    ///
    /// # Errors
    /// A job that fails or is interrupted.
    fn run(&mut self, job: &Job) -> Result<(), Self::Error>;

    /// Called before a winner is selected again, with the LUT's latencies multiplied by a factor.
    fn selecting_again(&mut self, factor: f64);
}

/// Runs a search that trains, or a training, and measures its winner if there is a device. If a finished run is resumed, it
/// returns the existing result, and runs or measures nothing.
///
/// # Errors
/// A folder that cannot be used; errors of the trainer and the device.
pub fn trained<E: From<FolderError>>(
    job: &Job,
    trainer: &mut dyn Trainer<Error = E>,
    device: Option<&mut dyn DeviceEvaluator<Error = E>>,
) -> Result<RunResult, E> {
    let (folder, experiment) = (&job.folder, &job.experiment);
    if let Claim::Resumed { finished: true, .. } = claim(folder, experiment, job.existing)? {
        let result = finished::<RunResult>(folder)?;
        if let Some(result) = result.filter(|result| device.is_none() || result.latency.is_final) {
            return Ok(result);
        }
    }
    trainer.run(job)?;
    let result = read(folder)?;
    match device {
        Some(device) => select_on_device(result, &mut TrainedSelector { job, trainer }, device),
        None => Ok(result),
    }
}

/// Selects winners of searches that train.
struct TrainedSelector<'a, E> {
    job: &'a Job,
    trainer: &'a mut dyn Trainer<Error = E>,
}

impl<E: From<FolderError>> Selector for TrainedSelector<'_, E> {
    type Found = RunResult;
    type Error = E;

    fn select(&mut self, factor: f64) -> Result<RunResult, E> {
        self.trainer.selecting_again(factor);
        self.trainer.run(&Job { task: Task::Select { factor }, ..self.job.clone() })?;
        Ok(read(&self.job.folder)?)
    }

    fn keep(&mut self, found: &RunResult) -> Result<(), E> {
        Ok(found.write(&self.job.folder)?)
    }
}

fn read(folder: &Path) -> Result<RunResult, FolderError> {
    finished(folder)?.ok_or_else(|| FolderError::Missing { path: folder.join("result.json") })
}

/// The inputs of a search without training.
#[derive(Debug, Clone)]
pub struct SampledSearch {
    /// The experiment.
    pub experiment: Experiment,
    /// The run folder.
    pub folder: PathBuf,
    /// What to do with an existing run in the folder.
    pub existing: Existing,
}

/// Runs a search without training, and measures its winner if there is a device. A resumed run that is finished
/// returns its result; any other one runs again. `watch` receives the progress and may end the search.
///
/// # Errors
/// A folder that cannot be used, a search that finds nothing or is ended, errors of the device.
pub fn sampled<E: From<RunError>>(
    search: &SampledSearch,
    watch: &mut dyn Watch,
    device: Option<&mut dyn DeviceEvaluator<Error = E>>,
) -> Result<SampledResult, E> {
    let SampledSearch { experiment, folder, existing } = search;
    let kept = finished_result(folder, experiment, *existing).map_err(RunError::from)?;
    if let Some(found) = kept.filter(|found| device.is_none() || found.latency.is_final) {
        return Ok(found);
    }
    let found = evolution::run(experiment.clone(), folder, *existing, 1.0, &mut |sampling| watch.sampling(sampling))?;
    match device {
        Some(device) => {
            select_on_device(found, &mut SampledSelector { search, watch, error: std::marker::PhantomData }, device)
        }
        None => Ok(found),
    }
}

/// The result of a resumed run, if it is finished.
fn finished_result(
    folder: &Path,
    experiment: &Experiment,
    existing: Existing,
) -> Result<Option<SampledResult>, FolderError> {
    match claim_sampled(folder, experiment, existing)? {
        Claim::Resumed { .. } => finished(folder),
        _ => Ok(None),
    }
}

/// Observes a search without training.
pub trait Watch {
    /// Receives the progress. Returns whether the search goes on.
    fn sampling(&mut self, sampling: &Sampling) -> bool;

    /// Called before a winner is selected again, with the LUT's latencies multiplied by a factor.
    fn selecting_again(&mut self, factor: f64);
}

/// Selects winners of searches without training.
struct SampledSelector<'a, E> {
    search: &'a SampledSearch,
    watch: &'a mut dyn Watch,
    error: std::marker::PhantomData<E>,
}

impl<E: From<RunError>> Selector for SampledSelector<'_, E> {
    type Found = SampledResult;
    type Error = E;

    fn select(&mut self, factor: f64) -> Result<SampledResult, E> {
        self.watch.selecting_again(factor);
        let SampledSearch { experiment, folder, .. } = self.search;
        let watch = &mut *self.watch;
        Ok(evolution::run(experiment.clone(), folder, Existing::Resume, factor, &mut |sampling| {
            watch.sampling(sampling)
        })?)
    }

    fn keep(&mut self, found: &SampledResult) -> Result<(), E> {
        Ok(found.write(&self.search.folder)?)
    }
}

/// Calls a closure for each measurement, one after the other; for devices with a constant level.
impl<E, F: FnMut(&ArchFile) -> Result<Measured, E>> DeviceEvaluator for F {
    type Error = E;

    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, E> {
        self(arch)
    }

    fn measure_side_by_side(&mut self, archs: &[ArchFile]) -> Result<Vec<Measured>, E> {
        archs.iter().map(self).collect()
    }
}
