//! Real trainings for searches whose networks are trained by themselves.
//!
//! `trials.jsonl` gets a line for every epoch of every network, after its checkpoint is on disk. A search that is resumed runs
//! again from its start: whatever the journal has is answered from there, so it asks for the same trainings in the same order, and
//! goes on with the first that is not there.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use nasprof_graph::Arch;
use nasprof_search::config::Plan;
use nasprof_search::events::{RunEvent, Step};
use nasprof_search::folder::{FolderError, Part};
use nasprof_search::methods::{Fault, Progress as Trained, Trainings, decayed_sum};
use nasprof_search::trials::{Epoch, Journal, Trial};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::checkpoint::{read_tensors, write_tensors};
use super::progress::Progress;
use super::single::{Restore, Settings};
use super::trial::Training;
use crate::error::SearchError;
use crate::scale::LossScale;

const JOURNAL: &str = "trials.jsonl";

/// A line of the journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Event {
    /// What the trainings are of: the first line.
    Of { space: String, images: String },
    /// Scores of a network at initialisation.
    Scores { arch: Arch, scores: BTreeMap<String, f64> },
    /// An epoch of a network, with the checkpoint after it.
    Epoch { arch: Arch, epoch: Epoch, checkpoint: Checkpoint },
    /// A training that cannot go on.
    Failed { arch: Arch, problem: String },
}

/// A network's tensors and the numbers beside them.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkpoint {
    tensors: Part,
    optimizer_steps: u64,
    optimizer_updates: Vec<(String, u64)>,
    loss_scale: Option<LossScale>,
}

/// What is known of a network.
#[derive(Default)]
struct Known {
    scores: Option<BTreeMap<String, f64>>,
    epochs: Vec<Epoch>,
    checkpoint: Option<Checkpoint>,
    failed: bool,
}

/// Trainings of an experiment's networks, in its run folder.
pub(super) struct Trials<'a> {
    plan: &'a Plan,
    settings: Settings<'a>,
    device: Device,
    folder: PathBuf,
    journal: Journal,
    known: HashMap<Arch, Known>,
    /// Networks whose training was begun, in their order: they number the checkpoints.
    begun: HashMap<Arch, usize>,
    progress: Progress,
    emit: &'a mut dyn FnMut(RunEvent),
}

impl<'a> Trials<'a> {
    /// Opens the journal of a run folder, or begins it. `cost` is the number of epochs that the search may train.
    pub(super) fn open(
        plan: &'a Plan,
        folder: &Path,
        device: Device,
        cost: u64,
        emit: &'a mut dyn FnMut(RunEvent),
    ) -> Result<Self, SearchError> {
        let settings = Settings::of(plan)?;
        let path = folder.join(JOURNAL);
        let (mut journal, events) = Journal::open::<Event>(&path)?;
        let (identity, digest) = (plan.space.graph.identity(), settings.loaders.digest());
        let (mut known, mut begun) = (HashMap::<Arch, Known>::new(), HashMap::new());
        let (mut is_begun, mut done) = (false, 0);
        for event in events {
            match event {
                Event::Of { space, .. } if !identity.is(&space) => {
                    return Err(SearchError::checkpoint(&path, "is of another space"));
                }
                Event::Of { images, .. } if images != digest => return Err(FolderError::OtherData { path }.into()),
                Event::Of { .. } => is_begun = true,
                Event::Scores { arch, scores } => known.entry(arch).or_default().scores = Some(scores),
                Event::Epoch { arch, epoch, checkpoint } => {
                    let next = begun.len();
                    begun.entry(arch.clone()).or_insert(next);
                    let network = known.entry(arch).or_default();
                    network.epochs.push(epoch);
                    network.checkpoint = Some(checkpoint);
                    done += 1;
                }
                Event::Failed { arch, .. } => {
                    let next = begun.len();
                    begun.entry(arch.clone()).or_insert(next);
                    known.entry(arch).or_default().failed = true;
                }
            }
        }
        if !is_begun {
            journal.append(&Event::Of { space: identity.digest().to_owned(), images: digest })?;
        }
        let steps = settings.loaders.train_batches.steps as u64;
        let progress = Progress::new(cost.saturating_sub(done) * steps);
        Ok(Self { plan, settings, device, folder: folder.to_owned(), journal, known, begun, progress, emit })
    }

    /// The checkpoint of a network after its last epoch, below the run folder.
    pub(super) fn weights(&self, arch: &Arch) -> Option<&Part> {
        Some(&self.known.get(arch)?.checkpoint.as_ref()?.tensors)
    }

    fn training(&self, arch: &Arch) -> Result<Training<'a>, SearchError> {
        let trial = Trial { arch: arch.clone(), seed: self.plan.experiment.seed };
        let mut training = Training::new(self.plan, &trial, self.device)?;
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

    /// Trains a network until it has had so many epochs.
    fn train_one(&mut self, arch: &Arch, epochs: u32) -> Result<Option<Trained>, SearchError> {
        let done = |trials: &Self| trials.known.get(arch).map_or(0, |known| known.epochs.len() as u32);
        let mut training = None;
        while done(self) < epochs && !self.known.get(arch).is_some_and(|known| known.failed) {
            let next = self.begun.len();
            let number = *self.begun.entry(arch.clone()).or_insert(next) + 1;
            let at = match &mut training {
                Some(training) => training,
                none => none.insert(self.training(arch)?),
            };
            match self.epoch(arch, number, at) {
                Err(error @ SearchError::Diverged { .. }) => {
                    let problem = error.to_string();
                    self.tell(format!("network {number} failed: {problem}"));
                    self.journal.append(&Event::Failed { arch: arch.clone(), problem })?;
                    self.known.entry(arch.clone()).or_default().failed = true;
                }
                other => other?,
            }
        }
        let known = self.known.get(arch).filter(|known| !known.failed);
        let Some(known) = known else { return Ok(None) };
        let trained = &known.epochs[..(epochs as usize).min(known.epochs.len())];
        let Some(last) = trained.last() else { return Ok(None) };
        let loss = decayed_sum(trained.iter().map(Epoch::loss_sum));
        Ok(Some(Trained { epochs, loss: Some(loss), valid: last.valid_accuracy.unwrap_or(0.0) }))
    }

    /// One epoch more, with its checkpoint and its line in the journal.
    fn epoch(&mut self, arch: &Arch, number: usize, training: &mut Training<'a>) -> Result<(), SearchError> {
        let (epoch, all) = (training.epochs + 1, self.settings.training.epochs);
        let (progress, mut told) = (&mut self.progress, None);
        let done = training.epoch(
            &mut |step, steps, score| {
                let Some(seconds_left) = progress.step() else { return };
                let (loss, error, expected) = (score.loss, score.error, Vec::new());
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
        let file = format!("checkpoint/network-{number:05}-epoch-{epoch:05}.safetensors");
        write_tensors(&self.folder.join(&file), &tensors)?;
        let tensors = Part::of(&self.folder, &file)?;
        let loss_scale = training.single.numerics.state();
        let checkpoint = Checkpoint { tensors, optimizer_steps, optimizer_updates, loss_scale };
        let valid = done.valid_accuracy.unwrap_or(0.0);
        self.tell(format!("network {number}, epoch {epoch}/{all}: loss {:.4}, validation {valid:.4}", done.train_loss));
        self.journal.append(&Event::Epoch {
            arch: arch.clone(),
            epoch: done.clone(),
            checkpoint: checkpoint.clone(),
        })?;
        let known = self.known.entry(arch.clone()).or_default();
        known.epochs.push(done);
        if let Some(before) = known.checkpoint.replace(checkpoint) {
            // One that stays takes space and does no harm.
            let _ = std::fs::remove_file(self.folder.join(before.tensors.file));
        }
        Ok(())
    }

    fn tell(&mut self, line: String) {
        (self.emit)(RunEvent::Line(line));
    }

    fn scored(&mut self, arch: &Arch, name: &str) -> Result<Option<f64>, SearchError> {
        if self.known.get(arch).is_none_or(|known| known.scores.is_none()) {
            let trial = Trial { arch: arch.clone(), seed: self.plan.experiment.seed };
            let scores = Training::new(self.plan, &trial, self.device)?.scores(self.emit)?;
            self.journal.append(&Event::Scores { arch: arch.clone(), scores: scores.clone() })?;
            self.known.entry(arch.clone()).or_default().scores = Some(scores);
        }
        Ok(self.known.get(arch).and_then(|known| known.scores.as_ref()?.get(name).copied()))
    }
}

impl Trainings for Trials<'_> {
    fn epochs(&self) -> u32 {
        self.settings.training.epochs
    }

    fn has_curves(&self) -> bool {
        true
    }

    fn score(&mut self, arch: &Arch, score: &str) -> Result<Option<f64>, Fault> {
        let cost = || nasprof_graph::runtime::Runtime::TorchEager.subnet(&self.plan.space.graph, arch);
        match score {
            "macs" => Ok(Some(cost()?.cost().macs as f64)),
            "params" => Ok(Some(cost()?.cost().params as f64)),
            _ => Ok(self.scored(arch, score)?),
        }
    }

    fn train(&mut self, archs: &[Arch], epochs: u32) -> Result<Vec<Option<Trained>>, Fault> {
        archs.iter().map(|arch| Ok(self.train_one(arch, epochs)?)).collect()
    }
}
