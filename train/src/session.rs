//! The session of a searcher: the supernet, the distribution over its architectures, and the updates of both.

use nasprof_graph::Arch;
use nasprof_search::config::{ConfigError, Layout, LoadedRegularizer, Plan, Searcher, Training};
use nasprof_search::data::{Purpose, stream};
use nasprof_search::schedule::LearningRate;
use nasprof_spaces::Space;
use rand_chacha::ChaCha8Rng;
use tch::Device;

use crate::error::SearchError;
use crate::numerics::Numerics;
use crate::optimizer::{Named, Optimizer};
use crate::proximal::ProximalPull;
use crate::regularizers::Regularizers;
use crate::replay::{ReplayedGradient, ReplayedStep, prepare};
use crate::supernet::{Distribution, Supernet};

/// The state of a search.
pub struct Session<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) training: &'a Training,
    pub(crate) net: Supernet,
    pub(crate) distribution: Distribution,
    /// The optimizer of the weights after the warm-up, and the one during the warm-up.
    pub(crate) weights: Optimizer,
    pub(crate) warm_up: Option<Optimizer>,
    pub(crate) warming_up: bool,
    pub(crate) architecture: Option<Optimizer>,
    pub(crate) regularizers: Regularizers<'a>,
    pub(crate) proximal_pull: ProximalPull,
    pub(crate) numerics: Numerics,
    /// The recorded steps of the weights along a mixture, and gradients of the architecture, if CUDA graphs are on.
    pub(crate) replayed_step: Option<ReplayedStep>,
    pub(crate) replayed_gradient: Option<ReplayedGradient>,
    pub(crate) samples: u64,
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
        let graphs = training.cuda_graphs && device.is_cuda();
        if graphs {
            prepare(device)?;
        }
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
            replayed_step: graphs.then(ReplayedStep::new),
            replayed_gradient: graphs.then(ReplayedGradient::new),
            samples: 0,
        })
    }

    /// The search space.
    #[must_use]
    pub fn space(&self) -> &'a Space {
        &self.plan.space
    }

    /// The regularizers of the experiment.
    #[must_use]
    pub fn bounds(&self) -> &'a [LoadedRegularizer] {
        &self.plan.regularizers
    }

    /// The seed of every random draw.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.plan.experiment.seed
    }

    /// Number of weight steps in an epoch.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        self.plan.loaders.as_ref().map_or(1, |loaders| loaders.train_batches.steps) as u64
    }

    /// Training batches that give an architecture its own running statistics before it is judged; 0 for none.
    #[must_use]
    pub fn recalibrate_batches(&self) -> u32 {
        self.plan.experiment.searcher.as_ref().map_or(0, Searcher::recalibrate_batches)
    }

    /// Epochs of the run, including the warm-up.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        self.training.all_epochs()
    }

    /// Gives each candidate of a choice its own weights from now on.
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

    /// The limits and costs of the search besides accuracy.
    #[must_use]
    pub fn regularizers(&self) -> &Regularizers<'a> {
        &self.regularizers
    }

    /// The learning rate of the weights' next step.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.active().learning_rate()
    }

    /// Switches between the optimizer of the warm-up and that of the weights.
    pub fn set_warming_up(&mut self, warming_up: bool) {
        self.warming_up = warming_up;
    }

    fn active(&self) -> &Optimizer {
        self.warm_up.as_ref().filter(|_| self.warming_up).unwrap_or(&self.weights)
    }

    /// A new stream of random numbers. Checkpoints store its number, so no other sample of the run uses the same stream.
    pub fn random(&mut self) -> ChaCha8Rng {
        self.samples += 1;
        stream(self.seed(), Purpose::Architectures, 1, self.samples)
    }

    /// An architecture drawn from the distribution.
    pub fn sample(&mut self) -> Arch {
        let mut rng = self.random();
        self.distribution.sample(&mut rng)
    }

    /// Precision and loss scale.
    pub(crate) fn numerics(&self) -> &Numerics {
        &self.numerics
    }
}

fn named(net: &Supernet) -> Vec<Named> {
    net.parameters().all().iter().map(|p| (p.name.clone(), p.tensor.shallow_clone())).collect()
}
