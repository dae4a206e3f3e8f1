//! Trains a list of networks one by one, each from fresh weights.
//!
//! `networks.jsonl` gets a record when a network is finished, so a killed run loses only its current network. The result of
//! a network does not depend on the other networks in the list, nor on interruptions.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use nasprof_base::text::count;
use nasprof_graph::arch::ArchFile;
use nasprof_search::config::Plan;
use nasprof_search::events::{RunEvent, Step};
use nasprof_search::folder::Claim;
use nasprof_search::job::{Epochs, Job};
use nasprof_search::trials::{Journal, Outcome, Record, Trial, read_list, write_table};
use tch::Device;

use super::compute::{check_replay, place};
use super::folder::Folder;
use super::progress::Progress;
use super::single::Settings;
use super::trial::{Training, cost_of};
use crate::error::SearchError;
use crate::gpu_failure::on_this_gpu;

const RECORDS: &str = "networks.jsonl";
const TABLE: &str = "networks.parquet";

/// Trains the networks of a list that have no record in the run folder, and writes the table of all records. A training that
/// diverges is recorded as failed, and the next network follows. One that does not fit into the GPU's memory gets no record,
/// because the next attempt may find the GPU without neighbours; the others are trained before the run fails.
///
/// # Errors
/// Networks that did not fit into the GPU's memory. A list with networks of another space, a folder that is in use or holds another run, images that cannot be read.
pub fn many(job: &Job, list: &Path, emit: &mut dyn FnMut(RunEvent)) -> Result<(), SearchError> {
    let plan = Plan::new(job.experiment.clone())?;
    let experiment = &plan.experiment;
    let trials = read_list(list, &plan.space, experiment.seed)?;
    let settings = Settings::of(&plan)?;
    check_replay(experiment)?;
    let place = place(settings.training)?;
    let device = place.device;
    let (mut folder, claim) = Folder::open(&job.folder, experiment, job.existing)?;
    let (mut journal, mut records) = Journal::open::<Record>(&folder.path().join(RECORDS))?;
    let mut done = HashSet::new();
    for record in &records {
        let arch = record.arch.resolve(&plan.space.name, &plan.space.choices);
        let arch = arch.map_err(|e| SearchError::checkpoint(&folder.path().join(RECORDS), e.to_string()))?;
        done.insert(Trial { arch, seed: record.seed });
    }
    let all = settings.training.epochs;
    let epochs = Epochs { all, warm_up: 0, after_warm_up: all, extended_from: Vec::new() };
    folder.begin(if done.is_empty() { Claim::New } else { claim }, experiment, &epochs, emit)?;
    folder.computes(&place, &mut Vec::new(), emit)?;
    let left: Vec<(usize, &Trial)> = trials.iter().enumerate().filter(|(_, trial)| !done.contains(trial)).collect();
    let line = format!("{}, {} done", count(trials.len(), "network"), trials.len() - left.len());
    emit(RunEvent::Line(line.clone()));
    folder.log(&line)?;
    let steps = settings.loaders.train_batches.steps as u64;
    let mut progress = Progress::new(left.len() as u64 * u64::from(all) * steps);
    let mut unfit = Vec::new();
    for (place, trial) in left {
        let trained = on_this_gpu(|| train(&plan, trial, device, &mut progress, emit));
        let done = match fitting(trained)? {
            Ok(record) => {
                journal.append(&record)?;
                let done = in_words(&record);
                records.push(record);
                done
            }
            Err(problem) => {
                unfit.push(place + 1);
                format!("left out: {problem}")
            }
        };
        let line = format!("network {} of {}: {done}", place + 1, trials.len());
        emit(RunEvent::Line(line.clone()));
        folder.log(&line)?;
    }
    write_table(&folder.path().join(TABLE), &records)?;
    all_fit(&unfit)
}

/// The record of a network, or why it does not fit into the GPU's memory.
fn fitting(trained: Result<Record, SearchError>) -> Result<Result<Record, String>, SearchError> {
    match trained {
        Err(SearchError::GpuMemory(problem)) => Ok(Err(problem)),
        other => other.map(Ok),
    }
}

/// An error that names the networks without a record, by their place in the list.
fn all_fit(unfit: &[usize]) -> Result<(), SearchError> {
    if unfit.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = unfit.iter().map(usize::to_string).collect();
    Err(SearchError::GpuMemory(format!(
        "the GPU ran out of memory in the training of network {}; the others are trained; resuming the run tries again",
        named.join(", ")
    )))
}

fn in_words(record: &Record) -> String {
    match &record.outcome {
        Outcome::Trained { epochs, test_accuracy, .. } => {
            let valid = epochs.last().and_then(|epoch| epoch.valid_accuracy);
            let valid = valid.map_or_else(String::new, |valid| format!("validation {valid:.4}, "));
            format!("{valid}test {test_accuracy:.4}, {:.0} s", record.seconds)
        }
        Outcome::Failed { problem } => format!("failed: {problem}"),
    }
}

/// Trains one network for all epochs.
fn train(
    plan: &Plan,
    trial: &Trial,
    device: Device,
    progress: &mut Progress,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<Record, SearchError> {
    let started = Instant::now();
    let mut training = Training::new(plan, trial, device)?;
    let scores = training.scores(emit)?;
    let cost = cost_of(plan, &trial.arch)?;
    let outcome = match to_its_end(plan, &mut training, progress, emit) {
        Err(error @ SearchError::Diverged { .. }) => Outcome::Failed { problem: error.to_string() },
        other => other?,
    };
    Ok(Record {
        arch: ArchFile::new(&plan.space.name, &plan.space.choices, &trial.arch),
        seed: trial.seed,
        params: cost.params,
        macs: cost.macs,
        scores,
        outcome,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn to_its_end(
    plan: &Plan,
    training: &mut Training<'_>,
    progress: &mut Progress,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<Outcome, SearchError> {
    let all = plan.experiment.training.as_ref().map_or(0, |training| training.epochs);
    let mut epochs = Vec::new();
    for epoch in 1..=all {
        let mut told = None;
        let done = training.epoch(
            &mut |step, steps, score| {
                if let Some(seconds_left) = progress.step() {
                    told = Some(Step {
                        epoch,
                        epochs: all,
                        warming_up: false,
                        step,
                        steps,
                        loss: score.loss,
                        error: score.error(),
                        expected: Vec::new(),
                        seconds_left,
                    });
                }
            },
            emit,
        )?;
        if let Some(step) = told {
            emit(RunEvent::Step(step));
        }
        epochs.push(done);
    }
    let test = training.test(emit)?;
    Ok(Outcome::Trained { epochs, test_accuracy: test.accuracy(), test_images: test.images })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named_and_other_errors_end_the_run() {
        let memory = || SearchError::GpuMemory("layer stem: CUDA out of memory".to_owned());
        assert!(fitting(Err(memory())).unwrap().unwrap_err().contains("stem"));
        // The controls: a GPU that is lost, and a run in which all fit.
        let lost = fitting(Err(SearchError::GpuLost("gone".to_owned())));
        assert!(matches!(lost, Err(SearchError::GpuLost(_))));
        assert!(all_fit(&[]).is_ok());
        let error = all_fit(&[3, 7]).unwrap_err();
        assert!(error.to_string().contains("network 3, 7; "), "{error}");
        assert!(error.hint().unwrap().contains("training.mini_batch"));
    }
}
