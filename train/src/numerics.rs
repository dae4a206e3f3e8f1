//! The numerics of a training: casts of forward passes, and the loss scale.

use nasprof_search::config::{Precision, Training};
use nasprof_torch::cuda::Autocast;
use tch::{Device, Kind, TchError, Tensor};

use crate::error::SearchError;
use crate::scale::LossScale;

/// Precision and loss scale of one training.
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

    /// A guard that casts forward passes while it lives; `None` for 32-bit floats.
    pub(crate) fn casts(&self) -> Option<Autocast> {
        (self.kind != Kind::Float).then(|| Autocast::to(self.kind, self.device))
    }

    /// The loss scale, which multiplies the gradients, if there is one.
    pub(crate) fn loss_scale(&self) -> Option<f64> {
        self.scale.map(|scale| scale.factor())
    }

    /// The loss scale, or 1 without one.
    pub(crate) fn scale(&self) -> f64 {
        self.loss_scale().unwrap_or(1.0)
    }

    /// A mini-batch's share of the batch loss, scaled for the backward pass.
    pub(crate) fn scaled(&self, loss: &Tensor, share: f64) -> Result<Tensor, TchError> {
        loss.f_mul_scalar(share * self.scale())
    }

    /// Updates the scale after a step; `finite` tells whether its scaled gradients were finite. If they were not and the
    /// scale cannot fall further, the training has diverged.
    pub(crate) fn learn(&mut self, finite: bool, learning_rate: f64) -> Result<(), SearchError> {
        let Some(scale) = &mut self.scale else { return Ok(()) };
        if !finite && scale.is_least() {
            return Err(SearchError::Diverged { loss: f64::NAN, learning_rate, epoch: None, checkpoint: None });
        }
        scale.learn(finite);
        Ok(())
    }

    /// The state for a checkpoint.
    pub(crate) fn state(&self) -> Option<LossScale> {
        self.scale
    }

    pub(crate) fn restore(&mut self, state: Option<LossScale>) {
        self.scale = self.scale.map(|own| state.unwrap_or(own));
    }
}

#[cfg(test)]
mod tests {
    use nasprof_graph::{Arch, Graph, GraphBuilder, Op};
    use nasprof_search::config::{self, OptimizerKind};
    use nasprof_search::schedule::LearningRate;
    use nasprof_testkit::draws;

    use super::*;
    use crate::loss::cross_entropy;
    use crate::optimizer::Optimizer;
    use crate::supernet::{Path, Phase, Supernet};

    const STEPS: u32 = 20;
    /// A loss times this, and a rate divided by it, train as plain ones do: bit by bit in 32-bit floats, whose exponents reach
    /// far, and not at all in 16-bit floats.
    const SMALL: f64 = 1.0 / (1 << 20) as f64;
    /// What 11 bits of mantissa round off at the most, of a number near 1 as losses are. A loss is a mean over thousands of roundings, which
    /// point either way: it is off by no more than a few of them, also after twenty steps.
    const HALF: f64 = 1.0 / 2048.0;
    const FEW: f64 = 3.0;

    fn graph() -> Graph {
        let mut b = GraphBuilder::new();
        let mut y = b.input("x", [1, 3, 8, 8]).unwrap();
        for (name, channels) in [("first", 8), ("second", 16)] {
            y = b.add(&format!("{name}/conv"), Op::conv(channels, 3, 1, 1), &[y]).unwrap();
            y = b.add(&format!("{name}/relu"), Op::Relu, &[y]).unwrap();
        }
        let y = b.add("flatten", Op::Flatten, &[y]).unwrap();
        let y = b.add("linear", Op::Linear { out_features: 5, bias: true }, &[y]).unwrap();
        b.build(&[y]).unwrap()
    }

    fn numerics(kind: Kind, scale: Option<LossScale>) -> Numerics {
        Numerics { kind, device: Device::Cpu, scale }
    }

    /// Losses of steps on one batch, and how far the first convolution's weights went.
    fn trained(mut numerics: Numerics, share: f64) -> (Vec<f64>, f64) {
        tch::set_num_threads(1);
        let net = Supernet::new(graph(), 1, Device::Cpu).unwrap();
        let settings = config::Optimizer::new(OptimizerKind::Sgd, 0.05 / share);
        let rate = LearningRate::new(settings.schedule.clone(), settings.learning_rate, u64::from(STEPS), 1);
        let named = net.parameters().all().iter().map(|p| (p.name.clone(), p.tensor.shallow_clone())).collect();
        let mut optimizer = Optimizer::new(settings, rate, named);
        let images = Tensor::from_slice(&draws::normal(7, 16 * 3 * 8 * 8)).view([16, 3, 8, 8]);
        let labels = Tensor::from_slice(&draws::labels(7, 16, 5));
        let convolution = &net.parameters().find("first/conv/weight").unwrap().tensor;
        let before = convolution.detach().copy();
        let step = |_| {
            let (loss, parameters) = {
                let _casts = numerics.casts();
                let output = net.forward(&images, Path::Selected(&Arch(Vec::new())), Phase::Train).unwrap();
                (cross_entropy(&output.values[0], &labels, 0.0).unwrap(), output.parameters)
            };
            let gradients = net.gradients(&numerics.scaled(&loss, share).unwrap(), &parameters).unwrap();
            let finite = optimizer.step_scaled(gradients, numerics.loss_scale()).unwrap();
            numerics.learn(finite, 0.0).unwrap();
            assert!(finite, "a step changed nothing");
            loss.double_value(&[])
        };
        let losses = (0..STEPS).map(step).collect();
        (losses, (convolution.detach() - before).abs().max().double_value(&[]))
    }

    /// How far losses are from others, in roundings.
    fn off(found: &[f64], exact: &[f64]) -> f64 {
        assert_eq!(found.len(), exact.len());
        found.iter().zip(exact).map(|(a, b)| (a - b).abs() / HALF).fold(0.0, f64::max)
    }

    #[test]
    fn sixteen_bits_train_as_thirty_two_within_their_rounding() {
        let (exact, moved) = trained(numerics(Kind::Float, None), SMALL);
        assert!(exact[19] < 0.8 * exact[0] && moved > 1e-3, "nothing is trained: {exact:?}, {moved}");
        assert_eq!(trained(numerics(Kind::Float, None), 1.0), (exact.clone(), moved));
        let (scaled, moved_scaled) = trained(numerics(Kind::Half, Some(LossScale::default())), SMALL);
        assert!(off(&scaled, &exact) < FEW, "{}: {scaled:?} for {exact:?}", off(&scaled, &exact));
        assert!(off(&scaled, &exact) > 0.0 && (moved_scaled / moved - 1.0).abs() < 0.05, "{moved_scaled} {moved}");
        // The control: without the scale the gradients are too small for 16 bits, and the convolution learns nothing.
        let (unscaled, moved_unscaled) = trained(numerics(Kind::Half, None), SMALL);
        assert_eq!(moved_unscaled, 0.0);
        assert!(off(&unscaled, &exact) > 30.0 * FEW, "{unscaled:?} for {exact:?}");
    }
}
