//! From an experiment to its winner: search, and where the experiment names a device, measure and select again until the
//! device agrees with the budget.

use std::path::{Path, PathBuf};

use nasprof_graph::arch::ArchFile;

use crate::config::Experiment;
use crate::evolution::{self, RunError, SampledResult, Sampling};
use crate::folder::{Claim, FolderError, claim, claim_sampled, finished};
use crate::job::{Existing, Job, RunResult, Task};
use crate::winner::{DeviceEvaluator, Measured, Selector, select_on_device};

/// Runs the jobs of searches that train: the program with libtorch, or a stand-in.
pub trait Trainer {
    /// What can go wrong.
    type Error;

    /// Does a job; its result is in the run folder afterwards.
    ///
    /// # Errors
    /// A job that cannot be done or was interrupted.
    fn run(&mut self, job: &Job) -> Result<(), Self::Error>;

    /// Is told that a winner is selected again, with the LUT's latencies multiplied by a factor.
    fn selecting_again(&mut self, factor: f64);
}

/// A search that trains, or a training, with its winner measured if there is a device. A finished run that is resumed gives
/// its result, and nothing is run or measured again.
///
/// # Errors
/// A folder that cannot be used; what the trainer and the device report.
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

/// Winners of searches that train.
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

/// What a search without training is run with.
#[derive(Debug, Clone)]
pub struct SampledSearch {
    /// The experiment.
    pub experiment: Experiment,
    /// The run folder.
    pub folder: PathBuf,
    /// What to do with a run that the folder holds already.
    pub existing: Existing,
}

/// A search without training, with its winner measured if there is a device. A final result of a run that is resumed is given as it is;
/// any other is made again, which takes seconds. `watch` is told how far it is and may end it.
///
/// # Errors
/// A folder that cannot be used, a search that finds nothing or is ended, what the device reports.
pub fn sampled<E: From<RunError>>(
    search: &SampledSearch,
    watch: &mut dyn Watch,
    device: Option<&mut dyn DeviceEvaluator<Error = E>>,
) -> Result<SampledResult, E> {
    let SampledSearch { experiment, folder, existing } = search;
    if let Some(found) = final_result(folder, experiment, *existing).map_err(RunError::from)? {
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

/// The result of a run that is over.
fn final_result(
    folder: &Path,
    experiment: &Experiment,
    existing: Existing,
) -> Result<Option<SampledResult>, FolderError> {
    match claim_sampled(folder, experiment, existing)? {
        Claim::Resumed { .. } => Ok(finished::<SampledResult>(folder)?.filter(|found| found.latency.is_final)),
        _ => Ok(None),
    }
}

/// Is told about a search without training.
pub trait Watch {
    /// How far it is; whether it is to go on.
    fn sampling(&mut self, sampling: &Sampling) -> bool;

    /// A winner is selected again, with the LUT's latencies multiplied by a factor.
    fn selecting_again(&mut self, factor: f64);
}

/// Winners of searches that train nothing.
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

/// Calls a closure for each measurement, one after the other: of devices whose level does not change.
impl<E, F: FnMut(&ArchFile) -> Result<Measured, E>> DeviceEvaluator for F {
    type Error = E;

    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, E> {
        self(arch)
    }

    fn measure_side_by_side(&mut self, archs: &[ArchFile]) -> Result<Vec<Measured>, E> {
        archs.iter().map(self).collect()
    }
}
