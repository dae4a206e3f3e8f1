//! How a training rounds numbers: casts of forward passes, and the scale of losses.

use nasprof_search::config::{Precision, Training};
use nasprof_torch::cuda::Autocast;
use tch::{Device, Kind, TchError, Tensor};

use crate::error::SearchError;
use crate::scale::LossScale;

/// The rounding of one training.
#[derive(Debug)]
pub(crate) struct Numerics {
    kind: Kind,
    device: Device,
    scale: Option<LossScale>,
}

impl Numerics {
    pub(crate) fn of(training: &Training, device: Device) -> Self {
        let kind = match training.precision {
            Precision::Float32 | Precision::Tf32 => Kind::Float,
            Precision::Bfloat16 => Kind::BFloat16,
            Precision::Float16 => Kind::Half,
        };
        Self { kind, device, scale: (kind == Kind::Half).then(LossScale::default) }
    }

    /// While it lives, forward passes are cast; `None` where nothing is.
    pub(crate) fn casts(&self) -> Option<Autocast> {
        (self.kind != Kind::Float).then(|| Autocast::to(self.kind, self.device))
    }

    /// What gradients are multiplied by, if they are.
    pub(crate) fn loss_scale(&self) -> Option<f64> {
        self.scale.map(|scale| scale.factor())
    }

    /// The same as a factor.
    pub(crate) fn scale(&self) -> f64 {
        self.loss_scale().unwrap_or(1.0)
    }

    /// A loss's share of a batch's, scaled for the backward pass.
    pub(crate) fn scaled(&self, loss: &Tensor, share: f64) -> Result<Tensor, TchError> {
        loss.f_mul_scalar(share * self.scale())
    }

    /// After a step: whether its scaled gradients were numbers. Where the scale cannot fall, they diverge.
    pub(crate) fn learn(&mut self, finite: bool, learning_rate: f64) -> Result<(), SearchError> {
        let Some(scale) = &mut self.scale else { return Ok(()) };
        if !finite && scale.is_least() {
            return Err(SearchError::Diverged { loss: f64::NAN, learning_rate, epoch: None, checkpoint: None });
        }
        scale.learn(finite);
        Ok(())
    }

    /// For a checkpoint.
    pub(crate) fn state(&self) -> Option<LossScale> {
        self.scale
    }

    pub(crate) fn restore(&mut self, state: Option<LossScale>) {
        self.scale = self.scale.map(|own| state.unwrap_or(own));
    }
}
