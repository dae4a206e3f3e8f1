//! The recorded part of an architecture step: losses, and their gradient with respect to the weights of a mixture.
//!
//! The alphas, their regularizers and their optimizer are the processor's, so the step itself is not recorded.

use tch::{TchError, Tensor};

use super::recorded::{ForwardPass, Recorded};
use crate::batch::{MiniBatch, add_defined};
use crate::device::rows;
use crate::error::SearchError;
use crate::loss::Tally;

/// A gradient for each choice, and the tally of the losses.
pub(crate) type MixtureGradient = (Vec<Vec<f64>>, Tally);

/// A gradient that is recorded after some computations of it.
pub(crate) struct ReplayedGradient {
    recorded: Recorded,
    /// The gradient for each choice, in the memory that the recorded work writes to.
    gradient: Vec<Tensor>,
}

impl ReplayedGradient {
    /// A gradient without a recording yet. The thread was prepared.
    pub(crate) fn new() -> Self {
        Self::of(Recorded::new())
    }

    fn of(recorded: Recorded) -> Self {
        Self { recorded, gradient: Vec::new() }
    }

    /// Whether a batch has the shapes of the first one.
    pub(crate) fn fits(&self, batch: &[MiniBatch], weights: &[Tensor]) -> bool {
        self.recorded.fits(batch, weights)
    }

    /// The gradient of the mean loss of a batch with respect to the weights of the mixture, read in one copy. `pass`
    /// computes the loss of a mini-batch; a loss that is not finite is reported with the learning rate.
    pub(crate) fn gradient(
        &mut self,
        batch: &[MiniBatch],
        weights: &[Tensor],
        rate: f64,
        pass: &ForwardPass<'_>,
    ) -> Result<MixtureGradient, SearchError> {
        let Self { recorded, gradient } = self;
        let tally = recorded.run(batch, weights, rate, &mut |inputs| {
            let leaf = |weights: &Tensor| weights.f_detach()?.f_set_requires_grad(true);
            let leaves = inputs.weights.iter().map(leaf).collect::<Result<Vec<_>, TchError>>()?;
            *gradient = inputs.weights.iter().map(Tensor::f_zeros_like).collect::<Result<_, _>>()?;
            let mut outputs = Vec::new();
            for mini in &inputs.batch {
                let (loss, logits, _) = pass(mini, &leaves)?;
                let share = loss.f_mul_scalar(inputs.share(mini))?;
                add_defined(gradient, Tensor::f_run_backward(&[share], &leaves, false, false)?)?;
                outputs.push((loss.f_detach()?, logits.f_detach()?));
            }
            Ok(outputs)
        })?;
        Ok((rows(gradient)?, tally))
    }
}

#[cfg(test)]
mod tests {
    use nasprof_spaces::SpaceSpec;
    use nasprof_testkit::draws;
    use tch::Device;

    use super::super::recorded::{Again, Pass};
    use super::*;
    use crate::loss::cross_entropy;
    use crate::supernet::{Distribution, Path, Phase, Supernet};

    const SPACE: &str = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 8, 8]\nnum_classes = 5\n\
        settings = [[8, 2, 1]]\ncandidates = [\"MB3 3x3\", \"MB6 3x3\"]\nskip_connect = true\n";

    /// Losses of twenty steps of the alphas, and the alphas after them. `stale`: on the first batch and alphas always.
    fn searched(mut replayed: Option<ReplayedGradient>, stale: bool) -> (Vec<f64>, Vec<f64>) {
        tch::set_num_threads(1);
        let space = SpaceSpec::parse(SPACE).unwrap().build("small").unwrap();
        let net = Supernet::new(space.graph.clone(), 1, Device::Cpu).unwrap();
        let distribution = Distribution::uniform(&space.choices).unwrap();
        let first = distribution.leaves(Device::Cpu).unwrap();
        let pass = |mini: &MiniBatch, weights: &[Tensor]| -> Result<Pass, SearchError> {
            let output = net.forward(&mini.images, Path::Mixed(weights), Phase::Judge)?;
            let loss = cross_entropy(&output.values[0], &mini.labels, 0.0)?;
            Ok((loss, output.values[0].shallow_clone(), output.parameters))
        };
        let mut step = |i: u64| {
            let mini = |half| {
                let seed = half + if stale { 0 } else { 2 * i };
                MiniBatch {
                    images: Tensor::from_slice(&draws::normal(seed, 4 * 3 * 8 * 8)).view([4, 3, 8, 8]),
                    labels: Tensor::from_slice(&draws::labels(seed, 4, 5)),
                }
            };
            let batch: Vec<MiniBatch> = (0..2).map(mini).collect();
            let leaves = distribution.leaves(Device::Cpu).unwrap();
            let weights = if stale { &first } else { &leaves };
            let (gradient, score) = match &mut replayed {
                Some(replayed) => {
                    assert!(replayed.fits(&batch, weights) && (i == 0 || !replayed.fits(&batch[..1], weights)));
                    let (gradient, tally) = replayed.gradient(&batch, weights, 0.0, &pass).unwrap();
                    (gradient, tally.so_far())
                }
                None => {
                    let (mut sum, mut tally) = (Vec::new(), Tally::default());
                    for mini in &batch {
                        let (loss, logits, _) = pass(mini, weights).unwrap();
                        tally = tally.and(Tally::of(&loss, &logits, &mini.labels, 0.0).unwrap());
                        sum.push(rows(&Tensor::run_backward(&[loss * 0.5], weights, false, false)).unwrap().concat());
                    }
                    let mut all = sum[0].iter().zip(&sum[1]).map(|(a, b)| a + b);
                    (first.iter().map(|row| all.by_ref().take(row.numel()).collect()).collect(), tally.so_far())
                }
            };
            let _guard = tch::no_grad_guard();
            for (alphas, gradient) in distribution.alphas().iter().zip(distribution.at_alphas(&gradient)) {
                let _ = alphas.shallow_clone().g_sub_(&(Tensor::from_slice(&gradient) * 20.0));
            }
            score.loss
        };
        let losses = (0..20).map(&mut step).collect();
        (losses, rows(distribution.alphas()).unwrap().concat())
    }

    #[test]
    fn a_replayed_gradient_searches_as_a_plain_one() {
        let (losses, alphas) = searched(None, false);
        assert!(alphas.iter().any(|alpha| alpha.abs() > 0.1), "nothing was learnt: {alphas:?}");
        let off = |one: &[f64], other: &[f64]| {
            assert_eq!(one.len(), other.len());
            one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        let replayed = || Some(ReplayedGradient::of(Again::step()));
        let found = searched(replayed(), false);
        // A rounding may move a ReLU over its edge, and the steps are large.
        assert!(off(&losses, &found.0) < 1e-4 && off(&alphas, &found.1) < 1e-2, "{losses:?} {alphas:?} {found:?}");
        // The control: a step that reads an old batch and old weights shows.
        let stale = searched(replayed(), true);
        assert!(off(&losses, &stale.0) > 1e-2 && off(&alphas, &stale.1) > 0.1, "{stale:?}");
    }
}
