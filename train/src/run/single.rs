//! One network with its optimizer: steps of a training, and evaluations.

use nasprof_graph::{Arch, Graph};
use nasprof_search::config::{ConfigError, Layout, Loaders, Optimizer as OptimizerSettings, Plan, Training};
use nasprof_search::data::Loader;
use nasprof_search::events::RunEvent;
use nasprof_search::schedule::LearningRate;
use tch::{Device, Tensor};

use super::images::take;
use crate::batch::{Gradients, MiniBatch, add};
use crate::error::SearchError;
use crate::loss::{Tally, cross_entropy};
use crate::numerics::Numerics;
use crate::optimizer::Optimizer;
use crate::replay::{Pass, ReplayedStep, prepare};
use crate::supernet::{Path, Phase, Supernet};

/// The only path of a network without choices.
fn only() -> Arch {
    Arch(Vec::new())
}

/// The parts of an experiment that a training of one network needs.
#[derive(Clone, Copy)]
pub(super) struct Settings<'a> {
    pub(super) training: &'a Training,
    pub(super) loaders: &'a Loaders,
    pub(super) weights: &'a OptimizerSettings,
}

impl<'a> Settings<'a> {
    /// Takes the settings from a plan.
    pub(super) fn of(plan: &'a Plan) -> Result<Self, SearchError> {
        let missing = |key: &str| ConfigError::Key { key: key.to_owned(), problem: "is missing".to_owned() };
        Ok(Self {
            loaders: plan.loaders.as_ref().ok_or_else(|| missing("data"))?,
            training: plan.experiment.training.as_ref().ok_or_else(|| missing("training"))?,
            weights: plan.experiment.optimizers.weights.as_ref().ok_or_else(|| missing("optimizers.weights"))?,
        })
    }
}

/// A network without choices, its weights and its optimizer.
pub(super) struct Single<'a> {
    training: &'a Training,
    pub(super) net: Supernet,
    pub(super) optimizer: Optimizer,
    pub(super) numerics: Numerics,
    replayed: Option<ReplayedStep>,
    seed: u64,
}

/// Why weights cannot be restored.
pub(super) enum Restore {
    /// A tensor that is missing or has another shape.
    Name(String),
    Torch(tch::TchError),
}

impl<'a> Single<'a> {
    /// A fresh network.
    pub(super) fn new(settings: Settings<'a>, graph: Graph, seed: u64, device: Device) -> Result<Self, SearchError> {
        let Settings { training, loaders, weights } = settings;
        let mut net = Supernet::new(graph, seed, device)?;
        if training.layout == Layout::ChannelsLast {
            net = net.with_channels_last()?;
        }
        let numerics = Numerics::of(training, device);
        let graphs = training.cuda_graphs && device.is_cuda();
        if graphs {
            prepare(device)?;
        }
        let replayed = graphs.then(ReplayedStep::new);
        let base = weights.base_rate(training.batch_size);
        let steps = loaders.train_batches.steps as u64;
        let rate = LearningRate::new(weights.schedule.clone(), base, steps, training.epochs);
        let named = net.parameters().all().iter().map(|p| (p.name.clone(), p.tensor.shallow_clone())).collect();
        let optimizer = Optimizer::new(weights.clone(), rate, named);
        Ok(Self { training, net, optimizer, numerics, replayed, seed })
    }

    /// One update of the weights on a batch, as step `step` of `epoch`.
    pub(super) fn step(&mut self, epoch: u32, step: usize, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        // Dropout uses libtorch's generator. Seeding it in each step keeps it out of checkpoints.
        tch::manual_seed((self.seed as i64) ^ (i64::from(epoch) << 32 | step as i64));
        if let Some(replayed) = self.replayed.take_if(|replayed| replayed.fits(batch, &[])) {
            return self.replayed_step(replayed, batch);
        }
        let total: usize = batch.iter().map(MiniBatch::len).sum();
        let mut gradients = Gradients::new();
        let mut tally = Tally::default();
        for mini in batch {
            let (loss, parameters, one) = self.loss(mini, Phase::Train)?;
            tally = tally.and(one);
            let share = self.numerics.scaled(&loss, mini.len() as f64 / total as f64)?;
            add(&mut gradients, self.net.gradients(&share, &parameters)?)?;
        }
        let learning_rate = self.optimizer.learning_rate();
        let finite = self.optimizer.step_scaled(gradients.into_iter().collect(), self.numerics.loss_scale())?;
        self.numerics.learn(finite, learning_rate)?;
        Ok(tally)
    }

    fn replayed_step(&mut self, mut replayed: ReplayedStep, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        let Self { net, numerics, training, optimizer, .. } = self;
        let pass = |mini: &MiniBatch, _: &[Tensor]| loss(net, numerics, training, mini, Phase::Train);
        let tally = replayed.step(net, optimizer, batch, &[], &pass);
        self.replayed = Some(replayed);
        tally
    }

    /// Evaluates all images; each counts once, including those of a smaller last batch.
    pub(super) fn evaluate(&self, loader: &Loader, emit: &mut dyn FnMut(RunEvent)) -> Result<Tally, SearchError> {
        let _guard = tch::no_grad_guard();
        let mut tally = Tally::default();
        for batch in loader.in_order() {
            let mini = take(&batch?, self.net.device(), emit)?;
            tally = tally.and(self.loss(&mini, Phase::Evaluate)?.2);
            if tally.is_full() {
                tally.score()?;
            }
        }
        Ok(tally)
    }

    /// The loss with its autograd graph, the parameters that contributed, and the tally of the main classifier.
    fn loss(&self, mini: &MiniBatch, phase: Phase) -> Result<(Tensor, Vec<usize>, Tally), SearchError> {
        let (loss, logits, parameters) = loss(&self.net, &self.numerics, self.training, mini, phase)?;
        let tally = Tally::of(&loss, &logits, &mini.labels, self.optimizer.learning_rate())?;
        Ok((loss, parameters, tally))
    }

    /// The weights by their names in a checkpoint.
    pub(super) fn weights(&self) -> Vec<(String, Tensor)> {
        let weights = self.net.parameters().all().iter();
        weights.map(|p| (format!("net/{}", p.name), p.tensor.shallow_clone())).collect()
    }

    /// Restores the weights.
    pub(super) fn restore_weights(&self, find: impl Fn(&str) -> Option<Tensor>) -> Result<(), Restore> {
        let _guard = tch::no_grad_guard();
        for parameter in self.net.parameters().all() {
            let name = format!("net/{}", parameter.name);
            let saved = find(&name).filter(|t| t.size() == parameter.tensor.size()).ok_or(Restore::Name(name))?;
            parameter.tensor.shallow_clone().f_copy_(&saved).map_err(Restore::Torch)?;
        }
        Ok(())
    }
}

/// The loss of a mini-batch with its autograd graph, the logits of the main classifier, and the parameters that contributed.
fn loss(
    net: &Supernet,
    numerics: &Numerics,
    training: &Training,
    mini: &MiniBatch,
    phase: Phase,
) -> Result<Pass, SearchError> {
    let _casts = numerics.casts();
    let output = net.forward(&mini.images, Path::Selected(&only()), phase)?;
    let smoothing = training.label_smoothing;
    let mut loss = cross_entropy(&output.values[0], &mini.labels, smoothing)?;
    if let Some(auxiliary) = output.values.get(1).filter(|_| phase == Phase::Train) {
        let second = cross_entropy(auxiliary, &mini.labels, smoothing)?;
        loss = loss.f_add(&second.f_mul_scalar(training.auxiliary_weight)?)?;
    }
    Ok((loss, output.values[0].shallow_clone(), output.parameters))
}
