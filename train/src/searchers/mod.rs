//! Searchers: how weights and architecture are updated in turn.

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

/// What a step of the architecture found.
#[derive(Debug, Default)]
pub struct ArchStep {
    /// How the judged networks did.
    pub tally: Tally,
    /// Names and values of what is worth a curve.
    pub curves: Vec<(String, f64)>,
}

/// Judges an architecture on all validation images with the weights as they are.
pub type Judge<'j> = dyn FnMut(&Session<'_>, &Arch) -> Result<Score, SearchError> + 'j;

/// A way to search. In each iteration the run calls [`Searcher::train_step`] and [`Searcher::arch_step`] once; while
/// warming up only the first.
pub trait Searcher {
    /// Called once before the first step, and not again when a run is resumed.
    ///
    /// # Errors
    /// What makes the search impossible.
    fn on_start(&mut self, _session: &mut Session<'_>) -> Result<(), SearchError> {
        Ok(())
    }

    /// Updates the weights on a batch of training images.
    ///
    /// # Errors
    /// A loss that is no number; what libtorch refuses.
    fn train_step(&mut self, session: &mut Session<'_>, batch: &[MiniBatch]) -> Result<Tally, SearchError>;

    /// Updates the architecture on a batch of validation images. `train` is the batch that the weights of this iteration
    /// are updated on.
    ///
    /// # Errors
    /// As [`Searcher::train_step`].
    fn arch_step(
        &mut self,
        session: &mut Session<'_>,
        train: &[MiniBatch],
        valid: &[MiniBatch],
    ) -> Result<ArchStep, SearchError>;

    /// Whether the architecture is updated before the weights in an iteration.
    fn architecture_first(&self) -> bool {
        false
    }

    /// Called after the last step. It may name the winner; else the distribution decides.
    ///
    /// # Errors
    /// As [`Searcher::train_step`].
    fn on_finish(&mut self, _session: &mut Session<'_>, _judge: &mut Judge<'_>) -> Result<Option<Arch>, SearchError> {
        Ok(None)
    }

    /// What a checkpoint has to keep of it.
    fn state(&self) -> Value {
        Value::Null
    }

    /// Goes on from what [`Searcher::state`] gave.
    ///
    /// # Errors
    /// What does not fit.
    fn restore(&mut self, _state: &Value) -> Result<(), String> {
        Ok(())
    }
}

/// The searcher of an experiment; `None` for those that train nothing.
#[must_use]
pub fn of(settings: &config::Searcher) -> Option<Box<dyn Searcher>> {
    match settings {
        config::Searcher::Darts { order, architecture_first, stop_at_skips, operation_dropout } => {
            let darts = Darts::new(*order, *architecture_first).with_operation_dropout(*operation_dropout);
            Some(Box::new(match stop_at_skips {
                Some(skips) => darts.with_stop(*skips),
                None => darts,
            }))
        }
        config::Searcher::Proxylessnas { gradient, samples, baseline_rate } => {
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
        } => {
            let fairnas = FairNas::new(*networks_per_step, *samples, *evolution).with_paths(*paths);
            let fairnas = fairnas.with_sandwich(*sandwich).with_split(*split_after);
            Some(Box::new(fairnas.with_shrinking(*progressive_shrinking)))
        }
        // These train nothing, or each network by itself.
        _ => None,
    }
}
