//! Searchers: the update steps of weights and architecture.

mod darts;
mod fairnas;
mod gate;
mod proxylessnas;
mod shrink;
mod split;

use nasprof_graph::Arch;
use nasprof_search::config;
use serde_json::Value;

use crate::batch::MiniBatch;
use crate::error::SearchError;
use crate::loss::{Score, Tally};
use crate::session::Session;

pub use darts::Darts;
pub use fairnas::{FairNas, FairSampler};
pub use proxylessnas::ProxylessNas;

/// The result of an architecture step.
#[derive(Debug, Default)]
pub struct ArchStep {
    /// The tally of the judged networks.
    pub tally: Tally,
    /// Names and values of additional curves.
    pub curves: Vec<(String, f64)>,
}

/// Judges an architecture on all validation images with the current weights.
pub type Judge<'j> = dyn FnMut(&Session<'_>, &Arch) -> Result<Score, SearchError> + 'j;

/// A search algorithm. In each iteration the run calls [`Searcher::train_step`] and [`Searcher::arch_step`] once, and after
/// the last one of an epoch [`Searcher::on_epoch_end`]; during the warm-up only [`Searcher::train_step`].
pub trait Searcher {
    /// Called once before the first step, and not again when a run is resumed.
    ///
    /// # Errors
    /// Anything that makes the search impossible.
    fn on_start(&mut self, _session: &mut Session<'_>) -> Result<(), SearchError> {
        Ok(())
    }

    /// Updates the weights on a batch of training images.
    ///
    /// # Errors
    /// A loss that is not finite; libtorch's.
    fn train_step(&mut self, session: &mut Session<'_>, batch: &[MiniBatch]) -> Result<Tally, SearchError>;

    /// Updates the architecture on a batch of validation images. `train` is the batch for the weights in this iteration.
    ///
    /// # Errors
    /// Those of [`Searcher::train_step`].
    fn arch_step(
        &mut self,
        session: &mut Session<'_>,
        train: &[MiniBatch],
        valid: &[MiniBatch],
    ) -> Result<ArchStep, SearchError>;

    /// Called after the last step of each epoch that updates the architecture.
    ///
    /// # Errors
    /// Those of [`Searcher::train_step`].
    fn on_epoch_end(&mut self, _session: &mut Session<'_>) -> Result<(), SearchError> {
        Ok(())
    }

    /// Whether an iteration updates the architecture before the weights.
    fn architecture_first(&self) -> bool {
        false
    }

    /// Called after the last step. It may name the winner; otherwise the distribution decides.
    ///
    /// # Errors
    /// Those of [`Searcher::train_step`].
    fn on_finish(&mut self, _session: &mut Session<'_>, _judge: &mut Judge<'_>) -> Result<Option<Arch>, SearchError> {
        Ok(None)
    }

    /// The state of the searcher for a checkpoint.
    fn state(&self) -> Value {
        Value::Null
    }

    /// Restores the value of [`Searcher::state`].
    ///
    /// # Errors
    /// The part of the state that does not fit.
    fn restore(&mut self, _state: &Value) -> Result<(), String> {
        Ok(())
    }
}

/// The searcher of an experiment; `None` for searches without training, and for those that train networks one by one.
#[must_use]
pub fn of(settings: &config::Searcher) -> Option<Box<dyn Searcher>> {
    match settings {
        config::Searcher::Darts { order, architecture_first, stop_at_skips, operation_dropout, .. } => {
            let darts = Darts::new(*order, *architecture_first).with_operation_dropout(*operation_dropout);
            Some(Box::new(match stop_at_skips {
                Some(skips) => darts.with_stop(*skips),
                None => darts,
            }))
        }
        config::Searcher::Proxylessnas { gradient, samples, baseline_rate, .. } => {
            Some(Box::new(ProxylessNas::new(*gradient, *samples, *baseline_rate)))
        }
        config::Searcher::Fairnas {
            networks_per_step,
            samples,
            evolution,
            paths,
            sandwich,
            split_after,
            progressive_shrinking,
            ..
        } => {
            let fairnas = FairNas::new(*networks_per_step, *samples, *evolution).with_paths(*paths);
            let fairnas = fairnas.with_sandwich(*sandwich).with_split(*split_after);
            Some(Box::new(fairnas.with_shrinking(*progressive_shrinking)))
        }
        // These train nothing, or train networks one by one.
        _ => None,
    }
}
