//! Updates tensors with their gradients, in the order of NNabla-NAS' `Optimizer`: clip, decay, step.
//!
//! A step updates all tensors together (`update.cpp`): one by one, the launches of GPU kernels would take longer than the
//! kernels. Each tensor has its own state, which changes only when the tensor has a gradient. So a candidate outside the
//! last networks keeps its momentum.

mod update;

use std::collections::HashMap;

use nasprof_search::config::{self, OptimizerKind};
use nasprof_search::schedule::LearningRate;
use tch::{Kind, TchError, Tensor};

use update::{Lists, OnDevice, Rule};

pub(crate) use update::{add_to_all, copy_to_all};

/// A tensor with its name.
pub type Named = (String, Tensor);

/// An update rule with its state.
#[derive(Debug)]
pub struct Optimizer {
    settings: config::Optimizer,
    rate: LearningRate,
    step: u64,
    tensors: Vec<Named>,
    /// Whether a step reads its learning rate from the device, as a recorded one must. Otherwise it is part of other kernels,
    /// which round in another way: a run with CUDA graphs would not have the bits of one without.
    like_recorded: bool,
    states: Vec<Option<State>>,
}

#[derive(Debug)]
struct State {
    /// Velocity, or Adam's first moment.
    first: Tensor,
    /// Adam's second moment.
    second: Option<Tensor>,
    /// Number of updates of this tensor.
    updates: u64,
}

impl Optimizer {
    /// An optimizer of some tensors; gradients refer to them by position.
    #[must_use]
    pub fn new(settings: config::Optimizer, rate: LearningRate, tensors: Vec<Named>) -> Self {
        let settings = match settings.kind {
            // The same rule, and libtorch's kernel takes no velocity that is not used.
            OptimizerKind::Momentum if settings.momentum == 0.0 => {
                config::Optimizer { kind: OptimizerKind::Sgd, ..settings }
            }
            _ => settings,
        };
        let states = tensors.iter().map(|_| None).collect();
        let on_gpu = tensors.first().is_some_and(|(_, tensor)| tensor.device().is_cuda());
        let like_recorded = on_gpu && settings.kind != OptimizerKind::Adam;
        Self { settings, rate, step: 0, tensors, like_recorded, states }
    }

    /// The same, whose steps are those of a GPU.
    #[cfg(test)]
    pub(crate) fn like_on_a_gpu(self) -> Self {
        Self { like_recorded: true, ..self }
    }

    /// The learning rate of the next step.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.rate.at(self.step)
    }

    /// Number of steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// One step: clips each gradient, adds the weight decay, updates. Tensors without a gradient do not change. The content
    /// of the gradients is undefined afterwards.
    ///
    /// # Errors
    /// libtorch's, if a gradient does not fit its tensor.
    pub fn step(&mut self, gradients: Vec<(usize, Tensor)>) -> Result<(), TchError> {
        self.step_scaled(gradients, None).map(drop)
    }

    /// As [`Optimizer::step`], for gradients multiplied by a scale. Returns `false` if they overflowed; then no tensor
    /// changes.
    ///
    /// # Errors
    /// Those of [`Optimizer::step`].
    pub fn step_scaled(&mut self, gradients: Vec<(usize, Tensor)>, scale: Option<f64>) -> Result<bool, TchError> {
        let _guard = tch::no_grad_guard();
        let positions: Vec<usize> = gradients.iter().map(|(i, _)| *i).collect();
        let lists = self.lists(gradients)?;
        let place = lists.tensors.first().filter(|_| self.like_recorded).map(Tensor::device);
        let rate = |device| Tensor::f_full([0_i64; 0], self.learning_rate(), (Kind::Float, device));
        let rate = place.map(rate).transpose()?;
        let on_device = OnDevice { rate: rate.as_ref(), segments: None };
        let finite = update::update(&self.settings_of_step(scale), &lists, on_device)?;
        self.count(&positions, finite);
        Ok(finite)
    }

    /// A step that can be recorded: it reads the learning rate from `rate` and, for clipping, the tensor indices from
    /// `segments`. It does not count the step; [`Optimizer::count`] does. Adam is not supported, since it has a rate for
    /// each tensor.
    ///
    /// # Errors
    /// Those of [`Optimizer::step`].
    pub(crate) fn recordable(
        &mut self,
        gradients: Vec<(usize, Tensor)>,
        rate: &Tensor,
        segments: &mut Option<Tensor>,
    ) -> Result<(), TchError> {
        let _guard = tch::no_grad_guard();
        let lists = self.lists(gradients)?;
        if segments.is_none() && self.settings.clip.is_some() {
            *segments = Some(update::segments(&lists.tensors)?);
        }
        let on_device = OnDevice { rate: Some(rate), segments: segments.as_ref() };
        update::update(&self.settings_of_step(None), &lists, on_device).map(drop)
    }

    /// Counts a step, and if `updated` the update of these tensors.
    pub(crate) fn count(&mut self, positions: &[usize], updated: bool) {
        for &i in positions {
            if let Some(state) = self.states[i].as_mut().filter(|_| updated) {
                state.updates += 1;
            }
        }
        // The schedule counts batches, even if no tensor was updated.
        self.step += 1;
    }

    fn settings_of_step(&self, scale: Option<f64>) -> update::Step {
        let config::Optimizer { kind, momentum, betas, epsilon, weight_decay, clip, .. } = self.settings;
        let rule = match kind {
            OptimizerKind::Sgd => Rule::Sgd,
            OptimizerKind::Momentum => Rule::Momentum,
            OptimizerKind::Nesterov => Rule::Nesterov,
            OptimizerKind::Adam => Rule::Adam,
        } as i32;
        let (rate, clip, scale) = (self.learning_rate(), clip.unwrap_or(0.0), scale.unwrap_or(0.0));
        let [beta1, beta2] = betas;
        update::Step { rule, rate, momentum, beta1, beta2, epsilon, decay: weight_decay, clip, scale }
    }

    fn lists(&mut self, gradients: Vec<(usize, Tensor)>) -> Result<Lists, TchError> {
        let config::Optimizer { kind, betas, weight_decay, decay_weights_only, .. } = self.settings;
        let rate = self.learning_rate();
        let mut lists = Lists::default();
        for (i, gradient) in gradients {
            let tensor = self.tensors[i].1.shallow_clone();
            lists.decays.push(weight_decay > 0.0 && (tensor.dim() > 1 || !decay_weights_only));
            if kind != OptimizerKind::Sgd {
                let state = self.state_of(i, &tensor)?;
                lists.first.push(state.first.shallow_clone());
                lists.second.extend(state.second.iter().map(Tensor::shallow_clone));
                if kind == OptimizerKind::Adam {
                    let n = (state.updates + 1) as f64;
                    lists.rates.push(rate * (1.0 - betas[1].powf(n)).sqrt() / (1.0 - betas[0].powf(n)));
                }
            }
            lists.tensors.push(tensor);
            lists.gradients.push(gradient);
        }
        Ok(lists)
    }

    fn state_of(&mut self, index: usize, tensor: &Tensor) -> Result<&mut State, TchError> {
        let slot = &mut self.states[index];
        if slot.is_none() {
            let second = (self.settings.kind == OptimizerKind::Adam).then(|| tensor.f_zeros_like()).transpose()?;
            *slot = Some(State { first: tensor.f_zeros_like()?, second, updates: 0 });
        }
        slot.as_mut().ok_or_else(|| TchError::Shape("a tensor has no state".to_owned()))
    }

    /// The state for a checkpoint: the number of steps, and for each tensor with a state its updates and tensors.
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

    /// Restores a state. `find` returns a tensor of the checkpoint by its name.
    ///
    /// # Errors
    /// The name of a tensor that is missing or has another shape.
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
            let like = self.tensors[index].1.detach();
            // On the device and with the memory layout of its tensor.
            let get = |name: String| -> Result<Tensor, String> {
                let found = find(&name).filter(|t| t.size() == like.size()).ok_or(name)?;
                let mut own = like.f_zeros_like().map_err(|e| e.to_string())?;
                own.f_copy_(&found).map_err(|e| e.to_string())?;
                Ok(own)
            };
            let first = get(format!("{name}/first"))?;
            let second = if wants_second { Some(get(format!("{name}/second"))?) } else { None };
            self.states[index] = Some(State { first, second, updates: *count });
        }
        Ok(())
    }
}
