//! Updates tensors from their gradients, in the order of NNabla-NAS' `Optimizer`: clip, decay, step.
//!
//! Each tensor has its own state, which changes only when the tensor has a gradient: a candidate that was not part of
//! the last networks keeps its momentum.

use std::collections::HashMap;

use nasprof_search::config::{self, OptimizerKind};
use nasprof_search::schedule::LearningRate;
use tch::{TchError, Tensor};

/// A tensor with its name.
pub type Named = (String, Tensor);

/// An update rule with its state.
#[derive(Debug)]
pub struct Optimizer {
    settings: config::Optimizer,
    rate: LearningRate,
    step: u64,
    tensors: Vec<Named>,
    states: Vec<Option<State>>,
}

#[derive(Debug)]
struct State {
    /// Velocity, or Adam's first moment.
    first: Tensor,
    /// Adam's second moment.
    second: Option<Tensor>,
    /// Updates of this tensor.
    updates: u64,
}

impl Optimizer {
    /// An optimizer of some tensors; gradients name them by their position.
    #[must_use]
    pub fn new(settings: config::Optimizer, rate: LearningRate, tensors: Vec<Named>) -> Self {
        let states = tensors.iter().map(|_| None).collect();
        Self { settings, rate, step: 0, tensors, states }
    }

    /// The rate of the next step.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.rate.at(self.step)
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// One step: clips each gradient, adds the decay, updates. Tensors without a gradient stay as they are.
    ///
    /// # Errors
    /// libtorch's, if a gradient does not fit its tensor.
    pub fn step(&mut self, gradients: Vec<(usize, Tensor)>) -> Result<(), TchError> {
        let _guard = tch::no_grad_guard();
        let rate = self.learning_rate();
        for (i, gradient) in gradients {
            let tensor = self.tensors[i].1.shallow_clone();
            let gradient = self.prepared(gradient, &tensor)?;
            self.update(i, tensor, gradient, rate)?;
        }
        self.step += 1;
        Ok(())
    }

    fn prepared(&self, gradient: Tensor, tensor: &Tensor) -> Result<Tensor, TchError> {
        let mut gradient = gradient;
        if let Some(clip) = self.settings.clip {
            // The factor stays a tensor: reading it would make a GPU wait. A norm of zero gives infinity, which is cut.
            let factor = gradient.f_norm()?.f_reciprocal()?.f_mul_scalar(clip)?.f_clamp_max(1.0)?;
            gradient = gradient.f_mul(&factor)?;
        }
        let decays = self.settings.weight_decay > 0.0 && (tensor.dim() > 1 || !self.settings.decay_weights_only);
        if decays { gradient.f_add(&tensor.f_mul_scalar(self.settings.weight_decay)?) } else { Ok(gradient) }
    }

    fn update(&mut self, index: usize, mut tensor: Tensor, gradient: Tensor, rate: f64) -> Result<(), TchError> {
        let config::Optimizer { kind, momentum, betas, epsilon, .. } = self.settings;
        if kind == OptimizerKind::Sgd {
            return tensor.f_sub_(&gradient.f_mul_scalar(rate)?).map(drop);
        }
        let slot = &mut self.states[index];
        if slot.is_none() {
            let second = (kind == OptimizerKind::Adam).then(|| tensor.f_zeros_like()).transpose()?;
            *slot = Some(State { first: tensor.f_zeros_like()?, second, updates: 0 });
        }
        let Some(state) = slot else { return Ok(()) };
        state.updates += 1;
        let first = &mut state.first;
        match (kind, &mut state.second) {
            (OptimizerKind::Adam, Some(second)) => {
                let _ = first.f_mul_scalar_(betas[0])?.f_add_(&gradient.f_mul_scalar(1.0 - betas[0])?)?;
                let square = gradient.f_square()?.f_mul_scalar(1.0 - betas[1])?;
                let _ = second.f_mul_scalar_(betas[1])?.f_add_(&square)?;
                let n = state.updates as f64;
                let corrected = rate * (1.0 - betas[1].powf(n)).sqrt() / (1.0 - betas[0].powf(n));
                let root = second.f_sqrt()?.f_add_scalar(epsilon)?;
                let _ = tensor.f_sub_(&first.f_div(&root)?.f_mul_scalar(corrected)?)?;
            }
            (OptimizerKind::Nesterov, _) => {
                let before = first.f_mul_scalar(momentum)?;
                first.f_copy_(&before.f_sub(&gradient.f_mul_scalar(rate)?)?)?;
                let _ = tensor.f_add_(&first.f_mul_scalar(1.0 + momentum)?.f_sub(&before)?)?;
            }
            _ => {
                let _ = first.f_mul_scalar_(momentum)?.f_add_(&gradient.f_mul_scalar(rate)?)?;
                let _ = tensor.f_sub_(first)?;
            }
        }
        Ok(())
    }

    /// Its state, for a checkpoint: the number of steps, and for each tensor with a state its updates and tensors.
    #[must_use]
    pub fn state(&self) -> (u64, Vec<(String, u64)>, Vec<Named>) {
        let (mut updates, mut tensors) = (Vec::new(), Vec::new());
        for ((name, _), state) in self.tensors.iter().zip(&self.states) {
            let Some(state) = state else { continue };
            updates.push((name.clone(), state.updates));
            tensors.push((format!("{name}/first"), state.first.shallow_clone()));
            tensors.extend(state.second.iter().map(|s| (format!("{name}/second"), s.shallow_clone())));
        }
        (self.step, updates, tensors)
    }

    /// Goes on from a state. `find` gives a tensor of the checkpoint by its name.
    ///
    /// # Errors
    /// A tensor that is missing or of another form, by its name.
    pub fn restore(
        &mut self,
        step: u64,
        updates: &[(String, u64)],
        find: impl Fn(&str) -> Option<Tensor>,
    ) -> Result<(), String> {
        self.step = step;
        let positions: HashMap<String, usize> =
            self.tensors.iter().enumerate().map(|(i, (name, _))| (name.clone(), i)).collect();
        let wants_second = self.settings.kind == OptimizerKind::Adam;
        for (name, count) in updates {
            let index = *positions.get(name).ok_or_else(|| name.clone())?;
            let (like, device) = (self.tensors[index].1.size(), self.tensors[index].1.device());
            let get = |name: String| find(&name).filter(|t| t.size() == like).map(|t| t.to_device(device)).ok_or(name);
            let first = get(format!("{name}/first"))?;
            let second = if wants_second { Some(get(format!("{name}/second"))?) } else { None };
            self.states[index] = Some(State { first, second, updates: *count });
        }
        Ok(())
    }
}
