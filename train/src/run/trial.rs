//! The stand-alone training of one network, epoch by epoch.

use std::collections::BTreeMap;

use nasprof_graph::Arch;
use nasprof_graph::cost::StaticCost;
use nasprof_graph::runtime::Runtime;
use nasprof_search::config::{Network, Plan};
use nasprof_search::events::RunEvent;
use nasprof_search::trials::{Epoch, Trial};
use nasprof_spaces::darts::TrainOptions;
use tch::Device;

use super::images::{Updates, take};
use super::progress::at_epoch;
use super::single::{Settings, Single};
use super::train::graph;
use crate::error::SearchError;
use crate::loss::Score;
use crate::proxies;

/// Number of images for scores at initialisation.
const SCORED_IMAGES: usize = 32;

/// A training that can stop after any epoch and continue later.
pub(super) struct Training<'a> {
    settings: Settings<'a>,
    pub(super) single: Single<'a>,
    updates: Option<Updates>,
    seed: u64,
    /// Completed epochs.
    pub(super) epochs: u32,
}

/// Parameters and MACs of the layers of a network that run: a convolution of zeros is trained, but does not run.
pub(super) fn cost_of(plan: &Plan, arch: &Arch) -> Result<StaticCost, SearchError> {
    let subnet = Runtime::TorchEager.subnet(&plan.space.graph, arch);
    Ok(subnet.map_err(|e| SearchError::Searcher(e.to_string()))?.cost())
}

impl<'a> Training<'a> {
    /// A fresh network. The experiment's seed splits the images; the trial's seed gives the weights and the order of the
    /// images.
    pub(super) fn new(plan: &'a Plan, trial: &Trial, device: Device) -> Result<Self, SearchError> {
        let settings = Settings::of(plan)?;
        let graph = graph(plan, &Network::Arch(trial.arch.clone()), TrainOptions::default())?;
        let single = Single::new(settings, graph, trial.seed, device)?;
        Ok(Self { settings, single, updates: None, seed: trial.seed, epochs: 0 })
    }

    /// Scores at initialisation, from the first images of the first epoch.
    pub(super) fn scores(&self, emit: &mut dyn FnMut(RunEvent)) -> Result<BTreeMap<String, f64>, SearchError> {
        // The same images for every network and every seed.
        let (mut images, mut stream) = (Vec::new(), self.settings.loaders.train.shuffled(0));
        let mut count = 0;
        while count < SCORED_IMAGES {
            let Some(batch) = stream.next() else { break };
            let mini = take(&batch?, self.single.net.device(), emit)?;
            count += mini.len();
            images.push(mini.images);
        }
        let images = tch::Tensor::f_cat(&images, 0)?;
        let images = images.f_narrow(0, 0, images.size()[0].min(SCORED_IMAGES as i64))?;
        proxies::scores(&self.single.net, &images)
    }

    /// Trains one more epoch.
    pub(super) fn epoch(
        &mut self,
        step_done: &mut dyn FnMut(usize, usize, Score),
        emit: &mut dyn FnMut(RunEvent),
    ) -> Result<Epoch, SearchError> {
        let loaders = self.settings.loaders;
        let (epoch, steps) = (self.epochs, loaders.train_batches.steps);
        let device = self.single.net.device();
        let updates = self.updates.get_or_insert_with(|| {
            // The same order as in a training with this seed.
            let loader = loaders.train.with_seed(self.seed.wrapping_mul(2));
            Updates::from(&loader, loaders.train_batches, u64::from(epoch) * steps as u64, device)
        });
        let (mut sum, mut batch_losses) = (Score::default(), Vec::with_capacity(steps));
        for step in 0..steps {
            let batch = updates.next(emit)?;
            let score = self
                .single
                .step(epoch, step, &batch)
                .and_then(|mut tally| tally.score())
                .map_err(|e| at_epoch(e, epoch + 1, "".as_ref()))?;
            batch_losses.push(score.loss as f32);
            sum = sum.and(score);
            step_done(step + 1, steps, sum);
        }
        let valid = loaders.valid.as_ref().map(|valid| self.single.evaluate(valid, emit)?.score()).transpose()?;
        self.epochs += 1;
        Ok(Epoch {
            batch_losses,
            train_loss: sum.loss,
            train_accuracy: sum.accuracy(),
            valid_loss: valid.map(|score| score.loss),
            valid_accuracy: valid.map(|score| score.accuracy()),
        })
    }

    /// Evaluates the current weights on the test images.
    pub(super) fn test(&self, emit: &mut dyn FnMut(RunEvent)) -> Result<Score, SearchError> {
        self.single.evaluate(&self.settings.loaders.test, emit)?.score()
    }
}
