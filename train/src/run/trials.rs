//! Real trainings for searches that train networks one by one.
//!
//! `trials.jsonl` gets a line for every epoch of every network, after its checkpoint is on disk. A resumed search runs again
//! from its start and takes known results from the journal. So it requests the same trainings in the same order, and
//! continues with the first one that the journal lacks.

mod events;
mod learn;
mod processes;
mod spent;
mod trainings;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nasprof_graph::Arch;
use nasprof_search::config::Plan;
use nasprof_search::events::{RunEvent, Step};
use nasprof_search::folder::Part;
use nasprof_search::methods::Progress as Trained;
use nasprof_search::trials::{Journal, Trial};
use tch::Tensor;

use self::events::{Checkpoint, Event, Known};
use super::checkpoint::{read_tensors, write_tensors};
use super::progress::Progress;
use super::single::{Restore, Settings};
use super::trial::Training;
use crate::error::SearchError;
use crate::place::Place;

const JOURNAL: &str = "trials.jsonl";

/// Trainings of an experiment's networks, in its run folder.
pub(super) struct Trials<'a> {
    plan: &'a Plan,
    settings: Settings<'a>,
    place: &'a Place,
    /// The devices of the epochs so far, in words.
    pub(super) places: Vec<String>,
    folder: PathBuf,
    /// `None` in a worker process: its parent keeps the journal.
    journal: Option<Journal>,
    known: HashMap<Arch, Known>,
    /// The numbers of the networks whose training has begun, from 1. They name the checkpoints.
    begun: HashMap<Arch, usize>,
    progress: Progress,
    started: Instant,
    /// Duration of the search before it was resumed.
    seconds_before: f64,
    emit: &'a mut dyn FnMut(RunEvent),
}

impl<'a> Trials<'a> {
    /// Opens or creates the journal of a run folder. `cost` is the number of epochs that the search may train.
    pub(super) fn open(
        plan: &'a Plan,
        folder: &Path,
        place: &'a Place,
        cost: u64,
        emit: &'a mut dyn FnMut(RunEvent),
    ) -> Result<Self, SearchError> {
        let (mut journal, events) = Journal::open::<Event>(&folder.join(JOURNAL))?;
        let is_begun = !events.is_empty();
        let mut trials = Self::new(plan, folder, place, emit)?;
        let images = trials.settings.loaders.digest();
        let done = trials.learn(events, &images)?;
        if !is_begun {
            journal.append(&Event::Of { space: plan.space.graph.identity().digest().to_owned(), images })?;
        }
        let steps = trials.settings.loaders.train_batches.steps as u64;
        trials.progress = Progress::new(cost.saturating_sub(done) * steps);
        trials.journal = Some(journal);
        Ok(trials)
    }

    /// As [`Trials::open`], in a worker process: it only reads the journal, and emits new lines as [`RunEvent::Record`].
    pub(super) fn of_worker(
        plan: &'a Plan,
        folder: &Path,
        place: &'a Place,
        emit: &'a mut dyn FnMut(RunEvent),
    ) -> Result<Self, SearchError> {
        let mut trials = Self::new(plan, folder, place, emit)?;
        let images = trials.settings.loaders.digest();
        trials.learn(Journal::read::<Event>(&folder.join(JOURNAL))?, &images)?;
        Ok(trials)
    }

    fn new(
        plan: &'a Plan,
        folder: &Path,
        place: &'a Place,
        emit: &'a mut dyn FnMut(RunEvent),
    ) -> Result<Self, SearchError> {
        Ok(Self {
            plan,
            settings: Settings::of(plan)?,
            place,
            places: Vec::new(),
            folder: folder.to_owned(),
            journal: None,
            known: HashMap::new(),
            begun: HashMap::new(),
            progress: Progress::new(1),
            started: Instant::now(),
            seconds_before: 0.0,
            emit,
        })
    }

    /// The number of a network; a new network gets the `given` number or the next free one.
    pub(super) fn number(&mut self, arch: &Arch, given: Option<usize>) -> usize {
        let next = self.begun.values().max().map_or(1, |last| last + 1);
        *self.begun.entry(arch.clone()).or_insert(given.unwrap_or(next))
    }

    /// Whether a network has `epochs` epochs or has failed.
    fn is_done(&self, arch: &Arch, epochs: u32) -> bool {
        self.known.get(arch).is_some_and(|known| known.failed || known.epochs.len() as u32 >= epochs)
    }

    /// Appends an event to the journal, or sends it to the process that keeps the journal.
    fn append(&mut self, event: &Event) -> Result<(), SearchError> {
        match &mut self.journal {
            Some(journal) => Ok(journal.append(event)?),
            None => {
                let record = serde_json::to_value(event).map_err(|e| SearchError::Searcher(e.to_string()))?;
                (self.emit)(RunEvent::Record(record));
                Ok(())
            }
        }
    }

    /// The checkpoint of a network after its last epoch, relative to the run folder.
    pub(super) fn weights(&self, arch: &Arch) -> Option<&Part> {
        Some(&self.known.get(arch)?.checkpoint.as_ref()?.tensors)
    }

    fn training(&self, arch: &Arch) -> Result<Training<'a>, SearchError> {
        let trial = Trial { arch: arch.clone(), seed: self.plan.experiment.seed };
        let mut training = Training::new(self.plan, &trial, self.place.device)?;
        let known = self.known.get(arch).and_then(|known| Some((known, known.checkpoint.as_ref()?)));
        let Some((known, checkpoint)) = known else { return Ok(training) };
        checkpoint.tensors.check(&self.folder)?;
        let path = self.folder.join(&checkpoint.tensors.file);
        let tensors = read_tensors(&path)?;
        let missing = |name: String| SearchError::checkpoint(&path, format!("{name} is missing or does not fit"));
        let find = |name: &str| tensors.get(name).map(Tensor::shallow_clone);
        training.single.restore_weights(find).map_err(|error| match error {
            Restore::Name(name) => missing(name),
            Restore::Torch(error) => error.into(),
        })?;
        let Checkpoint { optimizer_steps, optimizer_updates, .. } = checkpoint;
        let find = |name: &str| tensors.get(&format!("weights/{name}")).map(Tensor::shallow_clone);
        training.single.optimizer.restore(*optimizer_steps, optimizer_updates, find).map_err(missing)?;
        training.single.numerics.restore(checkpoint.loss_scale);
        training.epochs = known.epochs.len() as u32;
        Ok(training)
    }

    /// Trains a network until it has `epochs` epochs; `None` if the training failed.
    pub(super) fn train_one(&mut self, arch: &Arch, epochs: u32) -> Result<Option<Trained>, SearchError> {
        let mut training = None;
        while !self.is_done(arch, epochs) {
            let number = self.number(arch, None);
            let at = match &mut training {
                Some(training) => training,
                none => none.insert(self.training(arch)?),
            };
            match self.epoch(arch, number, at) {
                Err(error @ SearchError::Diverged { .. }) => {
                    let problem = error.to_string();
                    self.record(Event::Failed { arch: arch.clone(), number: Some(number), problem })?;
                }
                other => other?,
            }
        }
        Ok(self.trained(arch, epochs))
    }

    /// The progress of a network after `epochs` epochs; `None` if its training failed before. A failure in a later epoch does
    /// not change what the network was judged by.
    fn trained(&self, arch: &Arch, epochs: u32) -> Option<Trained> {
        let known = self.known.get(arch)?;
        let trained = known.epochs.get(..epochs as usize);
        trained.or((!known.failed).then_some(&known.epochs)).and_then(Trained::after)
    }

    /// Trains one more epoch, and writes its checkpoint and its line in the journal.
    fn epoch(&mut self, arch: &Arch, number: usize, training: &mut Training<'a>) -> Result<(), SearchError> {
        let (epoch, all) = (training.epochs + 1, self.settings.training.epochs);
        let (progress, mut told) = (&mut self.progress, None);
        let done = training.epoch(
            &mut |step, steps, score| {
                let Some(seconds_left) = progress.step() else { return };
                let (loss, error, expected) = (score.loss, score.error(), Vec::new());
                told = Some(Step {
                    epoch,
                    epochs: all,
                    warming_up: false,
                    step,
                    steps,
                    loss,
                    error,
                    expected,
                    seconds_left,
                });
            },
            self.emit,
        )?;
        if let Some(step) = told {
            (self.emit)(RunEvent::Step(step));
        }
        let (optimizer_steps, optimizer_updates, own) = training.single.optimizer.state();
        let mut tensors = training.single.weights();
        tensors.extend(own.into_iter().map(|(name, tensor)| (format!("weights/{name}"), tensor)));
        let file = checkpoint_of(number, epoch);
        write_tensors(&self.folder.join(&file), &tensors)?;
        let tensors = Part::of(&self.folder, &file)?;
        let loss_scale = training.single.numerics.state();
        let checkpoint = Checkpoint { tensors, optimizer_steps, optimizer_updates, loss_scale };
        self.record(Event::Epoch {
            arch: arch.clone(),
            number: Some(number),
            epoch: done,
            checkpoint,
            seconds: 0.0,
            computed_on: String::new(),
        })
    }

    /// Records an event of a training and reports it.
    fn record(&mut self, mut event: Event) -> Result<(), SearchError> {
        if let Event::Epoch { seconds, computed_on, .. } = &mut event {
            // A worker process knows only its own time, and one of several GPUs.
            *seconds = self.seconds();
            computed_on.clone_from(&self.place.words);
            self.computed_on(computed_on);
        }
        self.append(&event)?;
        let all = self.settings.training.epochs;
        let keeps = self.journal.is_some();
        match event {
            Event::Epoch { arch, number, epoch, checkpoint, .. } => {
                let network = self.known.entry(arch).or_default();
                let (count, loss) = (network.epochs.len() + 1, epoch.train_loss);
                let (number, valid) = (number.unwrap_or(0), epoch.valid_accuracy.unwrap_or(0.0));
                network.epochs.push(epoch);
                let before = network.checkpoint.replace(checkpoint);
                if let Some(before) = before.filter(|_| keeps) {
                    // A remaining file only takes space.
                    let _ = std::fs::remove_file(self.folder.join(before.tensors.file));
                }
                if keeps {
                    self.tell(format!("network {number}, epoch {count}/{all}: loss {loss:.4}, validation {valid:.4}"));
                }
            }
            Event::Failed { arch, number, problem } => {
                self.known.entry(arch).or_default().failed = true;
                if keeps {
                    self.tell(format!("network {} failed: {problem}", number.unwrap_or(0)));
                }
            }
            Event::Of { .. } | Event::Scores { .. } => {}
        }
        Ok(())
    }

    fn tell(&mut self, line: String) {
        (self.emit)(RunEvent::Line(line));
    }

    fn scored(&mut self, arch: &Arch, name: &str) -> Result<Option<f64>, SearchError> {
        if self.known.get(arch).is_none_or(|known| known.scores.is_none()) {
            let trial = Trial { arch: arch.clone(), seed: self.plan.experiment.seed };
            let scores = Training::new(self.plan, &trial, self.place.device)?.scores(self.emit)?;
            self.append(&Event::Scores { arch: arch.clone(), scores: scores.clone() })?;
            self.known.entry(arch.clone()).or_default().scores = Some(scores);
        }
        Ok(self.known.get(arch).and_then(|known| known.scores.as_ref()?.get(name).copied()))
    }
}

/// The file of a network's tensors after an epoch, relative to the run folder.
fn checkpoint_of(number: usize, epoch: u32) -> String {
    format!("checkpoint/network-{number:05}-epoch-{epoch:05}.safetensors")
}
