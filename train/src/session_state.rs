//! The part of a session that checkpoints store.

use std::collections::BTreeMap;

use nasprof_graph::Arch;
use tch::Tensor;

use crate::optimizer::{Named, Optimizer};
use crate::scale::LossScale;
use crate::session::Session;

impl Session<'_> {
    /// All tensors for a checkpoint, with their names, and the other state.
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

    /// Restores a checkpoint. The error names the part that is missing or does not fit.
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

/// The state of the session in a checkpoint, besides the tensors.
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
