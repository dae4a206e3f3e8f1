//! The session of a searcher: the supernet, the distribution over its architectures, and the updates of both.

use std::collections::BTreeMap;

use nasprof_graph::Arch;
use nasprof_search::config::{ConfigError, Layout, LoadedRegularizer, Plan, Searcher, Training};
use nasprof_search::data::{Purpose, stream};
use nasprof_search::schedule::LearningRate;
use nasprof_spaces::Space;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

use crate::batch::{Gradients, MiniBatch, add};
use crate::error::SearchError;
use crate::loss::{Score, Tally, cross_entropy};
use crate::numerics::Numerics;
use crate::optimizer::{Named, Optimizer};
use crate::proximal::ProximalPull;
use crate::regularizers::Regularizers;
use crate::replay::{Pass, Replayed};
use crate::scale::LossScale;
use crate::supernet::{Distribution, Path, Phase, Supernet};

/// The loss of some images.
#[derive(Debug)]
pub struct Loss {
    /// The mean, with its graph.
    pub loss: Tensor,
    /// The same as a number, and the errors, as soon as they are read.
    pub tally: Tally,
    /// Positions of the trainable parameters that took part.
    pub parameters: Vec<usize>,
}

/// A search's state.
pub struct Session<'a> {
    plan: &'a Plan,
    training: &'a Training,
    net: Supernet,
    distribution: Distribution,
    /// For the weights, and for the weights while warming up.
    weights: Optimizer,
    warm_up: Option<Optimizer>,
    warming_up: bool,
    architecture: Option<Optimizer>,
    regularizers: Regularizers<'a>,
    proximal_pull: ProximalPull,
    numerics: Numerics,
    /// Steps of the weights along a mixture, if they are recorded.
    replayed: Option<Replayed>,
    samples: u64,
}

impl<'a> Session<'a> {
    /// A fresh session of a search.
    ///
    /// # Errors
    /// An experiment without training, or a network that cannot be built.
    pub fn new(plan: &'a Plan, device: Device) -> Result<Self, SearchError> {
        let experiment = &plan.experiment;
        let missing = |key: &str| ConfigError::Key { key: key.to_owned(), problem: "is missing".to_owned() };
        let training = experiment.training.as_ref().ok_or_else(|| missing("training"))?;
        let steps = plan.loaders.as_ref().map_or(1, |l| l.train_batches.steps) as u64;
        let mut net = Supernet::new(plan.space.graph.clone(), experiment.seed, device)?;
        if training.layout == Layout::ChannelsLast {
            net = net.with_channels_last()?;
        }
        if let Some(Searcher::Fairnas { split_after: Some(_), .. }) = &experiment.searcher {
            net = net.with_parts(plan.space.choices.iter().map(|c| c.candidates.len()).max().unwrap_or(1))?;
        }
        let distribution = Distribution::uniform(net.choices())?;
        let optimizers = &experiment.optimizers;
        let weights = optimizers.weights.as_ref().ok_or_else(|| missing("optimizers.weights"))?;
        let for_weights = |settings: &nasprof_search::config::Optimizer, epochs| {
            let base = settings.base_rate(training.batch_size);
            let rate = LearningRate::new(settings.schedule.clone(), base, steps, epochs);
            Optimizer::new(settings.clone(), rate, named(&net))
        };
        let warm_up = (training.warm_up_epochs > 0)
            .then(|| for_weights(optimizers.warm_up.as_ref().unwrap_or(weights), training.warm_up_epochs));
        let architecture = optimizers.architecture.as_ref().map(|settings| {
            let base = settings.base_rate(training.valid_batch_size.unwrap_or(training.batch_size));
            let rate = LearningRate::new(settings.schedule.clone(), base, steps, training.epochs);
            let alphas = plan.space.choices.iter().zip(distribution.alphas());
            let alphas = alphas.map(|(c, a)| (format!("alpha/{}", c.name), a.shallow_clone())).collect();
            Optimizer::new(settings.clone(), rate, alphas)
        });
        let weights = for_weights(weights, training.epochs);
        let regularizers = Regularizers::new(&plan.space, &plan.regularizers)?;
        Ok(Self {
            plan,
            training,
            net,
            distribution,
            weights,
            warming_up: warm_up.is_some(),
            warm_up,
            architecture,
            regularizers,
            proximal_pull: ProximalPull::new(steps * u64::from(training.epochs)),
            numerics: Numerics::of(training, device),
            replayed: (training.cuda_graphs && device.is_cuda()).then(|| Replayed::on(device)).transpose()?,
            samples: 0,
        })
    }

    /// The space that is searched.
    #[must_use]
    pub fn space(&self) -> &'a Space {
        &self.plan.space
    }

    /// The regularizers as the experiment has them.
    #[must_use]
    pub fn bounds(&self) -> &'a [LoadedRegularizer] {
        &self.plan.regularizers
    }

    /// What everything drawn derives from.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.plan.experiment.seed
    }

    /// Steps of the weights in an epoch.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        self.plan.loaders.as_ref().map_or(1, |loaders| loaders.train_batches.steps) as u64
    }

    /// Epochs of the run, those of the warm-up included.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        self.training.all_epochs()
    }

    /// Gives each candidate of a choice weights of its own, from now on.
    ///
    /// # Errors
    /// libtorch's; a session whose searcher does not split.
    pub fn split_by(&mut self, choice: usize) -> Result<(), SearchError> {
        Ok(self.net.split_by(choice)?)
    }

    /// The network.
    #[must_use]
    pub fn net(&self) -> &Supernet {
        &self.net
    }

    /// The distribution over architectures.
    #[must_use]
    pub fn distribution(&self) -> &Distribution {
        &self.distribution
    }

    /// What the search keeps to besides accuracy.
    #[must_use]
    pub fn regularizers(&self) -> &Regularizers<'a> {
        &self.regularizers
    }

    /// The learning rate of the weights' next step.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.active().learning_rate()
    }

    /// While warming up the weights have an optimizer of their own.
    pub fn set_warming_up(&mut self, warming_up: bool) {
        self.warming_up = warming_up;
    }

    fn active(&self) -> &Optimizer {
        self.warm_up.as_ref().filter(|_| self.warming_up).unwrap_or(&self.weights)
    }

    /// A stream of random numbers that no other sample of this run has; its number is part of checkpoints.
    pub fn random(&mut self) -> ChaCha8Rng {
        self.samples += 1;
        stream(self.seed(), Purpose::Architectures, 1, self.samples)
    }

    /// An architecture drawn from the distribution.
    pub fn sample(&mut self) -> Arch {
        let mut rng = self.random();
        self.distribution.sample(&mut rng)
    }

    /// How numbers are rounded.
    pub(crate) fn numerics(&self) -> &Numerics {
        &self.numerics
    }

    /// Gradients of the weights on a batch, added to what is in `gradients`, and the score. With `precision = "float16"` they are
    /// multiplied by a scale, which [`Session::update_weights`] takes off. The mini-batches of a batch
    /// count by their images, so that the gradient is that of the whole batch.
    ///
    /// # Errors
    /// A loss that is no number; what libtorch refuses.
    pub fn weight_gradients(
        &self,
        path: Path<'_>,
        batch: &[MiniBatch],
        gradients: &mut Gradients,
    ) -> Result<Tally, SearchError> {
        let total: usize = batch.iter().map(MiniBatch::len).sum();
        let mut tally = Tally::default();
        for mini in batch {
            let one = self.loss(path, mini, Phase::Train)?;
            tally = tally.and(one.tally);
            let share = self.numerics.scaled(&one.loss, mini.len() as f64 / total as f64)?;
            add(gradients, self.net.gradients(&share, &one.parameters)?)?;
        }
        Ok(tally)
    }

    /// One step of the weights along a mixture, recorded and replayed; `None` where that is not asked for or not possible.
    ///
    /// # Errors
    /// As [`Session::weight_gradients`]; a step that cannot be recorded.
    pub(crate) fn replayed_step(
        &mut self,
        weights: &[Tensor],
        batch: &[MiniBatch],
    ) -> Result<Option<Tally>, SearchError> {
        // While warming up there is another optimizer.
        let Some(replayed) = self.replayed.as_mut().filter(|r| !self.warming_up && r.fits(batch, weights)) else {
            return Ok(None);
        };
        let (net, numerics, smoothing) = (&self.net, &self.numerics, self.training.label_smoothing);
        let pass = |mini: &MiniBatch, weights: &[Tensor]| -> Result<Pass, SearchError> {
            let _casts = numerics.casts();
            let output = net.forward(&mini.images, Path::Mixed(weights), Phase::Train)?;
            let loss = cross_entropy(&output.values[0], &mini.labels, smoothing)?;
            Ok((loss, output.values[0].shallow_clone(), output.parameters))
        };
        replayed.step(net, &mut self.weights, batch, weights, &pass).map(Some)
    }

    /// As [`Session::weight_gradients`], and the outputs for each mini-batch, without their graph. With a `teacher`, which is such
    /// outputs of another path, the path learns from these in place of the labels.
    ///
    /// # Errors
    /// As [`Session::weight_gradients`].
    pub fn taught_gradients(
        &self,
        path: Path<'_>,
        batch: &[MiniBatch],
        teacher: Option<&[Tensor]>,
        gradients: &mut Gradients,
    ) -> Result<(Tally, Vec<Tensor>), SearchError> {
        let total: usize = batch.iter().map(MiniBatch::len).sum();
        let (mut tally, mut outputs) = (Tally::default(), Vec::with_capacity(batch.len()));
        for (i, mini) in batch.iter().enumerate() {
            let _casts = self.numerics.casts();
            let output = self.net.forward(&mini.images, path, Phase::Train)?;
            let logits = &output.values[0];
            let loss = match teacher.and_then(|teacher| teacher.get(i)) {
                Some(teacher) => cross_entropy(logits, &teacher.f_softmax(-1, None)?, 0.0)?,
                None => cross_entropy(logits, &mini.labels, self.training.label_smoothing)?,
            };
            tally = tally.and(Tally::of(&loss, logits, &mini.labels, self.learning_rate())?);
            let share = self.numerics.scaled(&loss, mini.len() as f64 / total as f64)?;
            add(gradients, self.net.gradients(&share, &output.parameters)?)?;
            outputs.push(logits.f_detach()?);
        }
        Ok((tally, outputs))
    }

    /// One step of the weights.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn update_weights(&mut self, gradients: Gradients) -> Result<(), SearchError> {
        let optimizer = self.warm_up.as_mut().filter(|_| self.warming_up).unwrap_or(&mut self.weights);
        let learning_rate = optimizer.learning_rate();
        let finite = optimizer.step_scaled(gradients.into_iter().collect(), self.numerics.loss_scale())?;
        self.numerics.learn(finite, learning_rate)
    }

    /// How an architecture does on a batch with the weights as they are.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn judge(&self, arch: &Arch, batch: &[MiniBatch]) -> Result<Score, SearchError> {
        self.judge_later(arch, batch)?.score()
    }

    /// The same, to be read later: several architectures follow one another on a GPU without a pause.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn judge_later(&self, arch: &Arch, batch: &[MiniBatch]) -> Result<Tally, SearchError> {
        let _guard = tch::no_grad_guard();
        let mut tally = Tally::default();
        for mini in batch {
            tally = tally.and(self.loss(Path::Selected(arch), mini, Phase::Judge)?.tally);
        }
        Ok(tally)
    }

    /// Loss of some images along a path, from which gradients can be taken.
    ///
    /// # Errors
    /// A loss that is no number; what libtorch refuses.
    pub fn loss(&self, path: Path<'_>, mini: &MiniBatch, phase: Phase) -> Result<Loss, SearchError> {
        let _casts = self.numerics.casts();
        let output = self.net.forward(&mini.images, path, phase)?;
        let loss = cross_entropy(&output.values[0], &mini.labels, self.training.label_smoothing)?;
        let tally = Tally::of(&loss, &output.values[0], &mini.labels, self.learning_rate())?;
        Ok(Loss { loss, tally, parameters: output.parameters })
    }

    /// One step of the architecture: `gradient` with respect to the alphas, to which the regularizers add theirs, and under
    /// limits the pull to what will be deployed.
    ///
    /// # Errors
    /// A cost that is not known; what libtorch refuses.
    pub fn update_architecture(&mut self, mut gradient: Vec<Vec<f64>>) -> Result<(), SearchError> {
        if !gradient.iter().flatten().all(|g| g.is_finite()) && self.numerics.state().is_some() {
            let learning_rate = self.learning_rate();
            return self.numerics.learn(false, learning_rate);
        }
        let probabilities = self.distribution.probabilities();
        self.regularizers.add_gradient(&probabilities, &mut gradient)?;
        let step = self.architecture.as_ref().map_or(0, Optimizer::steps);
        let of = (&self.plan.space, self.regularizers.rule());
        let limits = self.regularizers.limits(|_| 1.0);
        self.proximal_pull.add_gradient(step, of, &limits, &probabilities, &mut gradient)?;
        self.regularizers.update_multipliers();
        let gradients = gradient.iter().enumerate().map(|(i, row)| Ok((i, Tensor::f_from_slice(row)?)));
        let gradients = gradients.collect::<Result<_, tch::TchError>>()?;
        match &mut self.architecture {
            Some(optimizer) => Ok(optimizer.step(gradients)?),
            None => Err(SearchError::Searcher("this search has no optimizer for the architecture".to_owned())),
        }
    }

    /// Refuses weights that are no numbers: the last step of an epoch can leave them behind a loss that was one.
    pub(crate) fn check_weights(&self) -> Result<(), SearchError> {
        if self.net.is_finite()? {
            return Ok(());
        }
        let learning_rate = self.learning_rate();
        Err(SearchError::Diverged { loss: f64::NAN, learning_rate, epoch: None, checkpoint: None })
    }

    /// All tensors that a checkpoint holds, by name, and the numbers beside them.
    pub(crate) fn state(&self) -> (Vec<Named>, SessionState) {
        let mut tensors: Vec<Named> = Vec::new();
        let weights = self.net.parameters().all().iter();
        tensors.extend(weights.map(|p| (format!("net/{}", p.name), p.tensor.shallow_clone())));
        for (choice, alpha) in self.space().choices.iter().zip(self.distribution.alphas()) {
            tensors.push((format!("alpha/{}", choice.name), alpha.shallow_clone()));
        }
        let mut optimizers = BTreeMap::new();
        for (kind, optimizer) in self.optimizers() {
            let (steps, updates, own) = optimizer.state();
            tensors.extend(own.into_iter().map(|(name, tensor)| (format!("{kind}/{name}"), tensor)));
            optimizers.insert(kind.to_owned(), OptimizerState { steps, updates });
        }
        let multipliers = self.regularizers.multipliers();
        let aim = self.proximal_pull.aim().cloned();
        (
            tensors,
            SessionState {
                optimizers,
                multipliers,
                aim,
                loss_scale: self.numerics.state(),
                samples: self.samples,
                split: self.net.split(),
            },
        )
    }

    /// Goes on from a checkpoint. The error names what is missing or does not fit.
    pub(crate) fn restore(
        &mut self,
        state: &SessionState,
        find: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<(), String> {
        let _guard = tch::no_grad_guard();
        let weights = self.net.parameters().all().iter().map(|p| (format!("net/{}", p.name), &p.tensor));
        let alphas = self.space().choices.iter().zip(self.distribution.alphas());
        let alphas = alphas.map(|(choice, alpha)| (format!("alpha/{}", choice.name), alpha));
        for (name, tensor) in weights.chain(alphas) {
            let saved = find(&name).filter(|t| t.size() == tensor.size()).ok_or(name)?;
            tensor.shallow_clone().f_copy_(&saved).map_err(|e| e.to_string())?;
        }
        self.samples = state.samples;
        self.net.restore_split(state.split);
        self.numerics.restore(state.loss_scale);
        self.regularizers.restore(&state.multipliers);
        self.proximal_pull.restore(state.aim.clone());
        for (kind, optimizer) in self.optimizers_mut() {
            let saved = state.optimizers.get(kind).ok_or_else(|| kind.to_owned())?;
            optimizer.restore(saved.steps, &saved.updates, |name| find(&format!("{kind}/{name}")))?;
        }
        Ok(())
    }

    fn optimizers(&self) -> impl Iterator<Item = (&'static str, &Optimizer)> {
        let all = [
            ("weights", Some(&self.weights)),
            ("warm_up", self.warm_up.as_ref()),
            ("architecture", self.architecture.as_ref()),
        ];
        all.into_iter().filter_map(|(name, optimizer)| Some((name, optimizer?)))
    }

    fn optimizers_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut Optimizer)> {
        let all = [
            ("weights", Some(&mut self.weights)),
            ("warm_up", self.warm_up.as_mut()),
            ("architecture", self.architecture.as_mut()),
        ];
        all.into_iter().filter_map(|(name, optimizer)| Some((name, optimizer?)))
    }
}

fn named(net: &Supernet) -> Vec<Named> {
    net.parameters().all().iter().map(|p| (p.name.clone(), p.tensor.shallow_clone())).collect()
}

/// The numbers of a checkpoint that belong to the session.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionState {
    optimizers: BTreeMap<String, OptimizerState>,
    multipliers: Vec<f64>,
    aim: Option<Arch>,
    #[serde(default)]
    loss_scale: Option<LossScale>,
    #[serde(alias = "draws")]
    samples: u64,
    /// The choice that the supernet is split by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    split: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OptimizerState {
    steps: u64,
    updates: Vec<(String, u64)>,
}
