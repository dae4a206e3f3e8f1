//! A recorded step of the weights: losses, gradients and the update of the optimizer.

use tch::Tensor;

use super::recorded::{ForwardPass, Recorded};
use crate::batch::{Gradients, MiniBatch, add};
use crate::error::SearchError;
use crate::loss::Tally;
use crate::optimizer::Optimizer;
use crate::supernet::Supernet;

/// A step of the weights that is recorded after some runs.
pub(crate) struct ReplayedStep {
    recorded: Recorded,
    /// Positions of the tensors that a step updates.
    updated: Vec<usize>,
    segments: Option<Tensor>,
}

impl ReplayedStep {
    /// A step without a recording yet. The thread was prepared.
    pub(crate) fn new() -> Self {
        Self::of(Recorded::new())
    }

    fn of(recorded: Recorded) -> Self {
        Self { recorded, updated: Vec::new(), segments: None }
    }

    /// Whether a batch has the shapes of the first one.
    pub(crate) fn fits(&self, batch: &[MiniBatch], weights: &[Tensor]) -> bool {
        self.recorded.fits(batch, weights)
    }

    /// One update of a network. `pass` computes the loss of a mini-batch.
    pub(crate) fn step(
        &mut self,
        net: &Supernet,
        optimizer: &mut Optimizer,
        batch: &[MiniBatch],
        weights: &[Tensor],
        pass: &ForwardPass<'_>,
    ) -> Result<Tally, SearchError> {
        let rate = optimizer.learning_rate();
        let Self { recorded, updated, segments } = self;
        let tally = recorded.run(batch, weights, rate, &mut |inputs| {
            let (mut gradients, mut outputs) = (Gradients::new(), Vec::new());
            for mini in &inputs.batch {
                let (loss, logits, parameters) = pass(mini, &inputs.weights)?;
                let share = loss.f_mul_scalar(inputs.share(mini))?;
                add(&mut gradients, net.gradients(&share, &parameters)?)?;
                outputs.push((loss.f_detach()?, logits.f_detach()?));
            }
            *updated = gradients.keys().copied().collect();
            optimizer.recordable(gradients.into_iter().collect(), &inputs.rate, segments)?;
            Ok(outputs)
        })?;
        optimizer.count(updated, true);
        Ok(tally)
    }
}

#[cfg(test)]
mod tests {
    use nasprof_graph::{Graph, GraphBuilder, Op};
    use nasprof_search::config::{self, OptimizerKind};
    use nasprof_search::schedule::{LearningRate, Schedule};
    use nasprof_testkit::draws;
    use tch::Device;

    use super::super::recorded::{Again, Pass};
    use super::*;
    use crate::loss::cross_entropy;
    use crate::supernet::{Path, Phase};

    fn graph() -> Graph {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 3, 6, 6]).unwrap();
        let y = b.add("conv", Op::conv(8, 3, 1, 1), &[x]).unwrap();
        let y = b.add("bn", Op::BatchNorm { epsilon: 1e-5 }, &[y]).unwrap();
        let y = b.add("relu", Op::Relu, &[y]).unwrap();
        let y = b.add("flatten", Op::Flatten, &[y]).unwrap();
        let y = b.add("linear", Op::Linear { out_features: 5, bias: true }, &[y]).unwrap();
        b.build(&[y]).unwrap()
    }

    fn optimizer(net: &Supernet, kind: OptimizerKind) -> Optimizer {
        let settings = config::Optimizer {
            weight_decay: 0.01,
            decay_weights_only: true,
            clip: Some(0.5),
            schedule: Schedule::Cosine,
            ..config::Optimizer::new(kind, 0.05)
        };
        let rate = LearningRate::new(settings.schedule.clone(), 0.05, 20, 1);
        let named = net.parameters().all().iter().map(|p| (p.name.clone(), p.tensor.shallow_clone())).collect();
        Optimizer::new(settings, rate, named)
    }

    /// Losses of twenty steps on batches of their own, `stale`: on the first one always.
    fn losses(kind: OptimizerKind, replayed: Option<ReplayedStep>, stale: bool) -> Vec<f64> {
        tch::set_num_threads(1);
        let net = Supernet::new(graph(), 1, Device::Cpu).unwrap();
        let mut optimizer = optimizer(&net, kind).like_on_a_gpu();
        let mut replayed = replayed;
        let arch = nasprof_graph::Arch(Vec::new());
        let pass = |mini: &MiniBatch, _: &[Tensor]| -> Result<Pass, SearchError> {
            let output = net.forward(&mini.images, Path::Selected(&arch), Phase::Train)?;
            let loss = cross_entropy(&output.values[0], &mini.labels, 0.0)?;
            Ok((loss, output.values[0].shallow_clone(), output.parameters))
        };
        let step = |i: u64| {
            let mini = |half| {
                let seed = half + if stale { 0 } else { 2 * i };
                MiniBatch {
                    images: Tensor::from_slice(&draws::normal(seed, 4 * 3 * 6 * 6)).view([4, 3, 6, 6]),
                    labels: Tensor::from_slice(&draws::labels(seed, 4, 5)),
                }
            };
            let batch: Vec<MiniBatch> = (0..2).map(mini).collect();
            let score = match &mut replayed {
                Some(replayed) => {
                    assert!(replayed.fits(&batch, &[]) && (i == 0 || !replayed.fits(&batch[..1], &[])));
                    replayed.step(&net, &mut optimizer, &batch, &[], &pass).unwrap().so_far()
                }
                None => {
                    let (mut gradients, mut tally) = (Gradients::new(), Tally::default());
                    for mini in &batch {
                        let (loss, logits, parameters) = pass(mini, &[]).unwrap();
                        tally = tally.and(Tally::of(&loss, &logits, &mini.labels, 0.0).unwrap());
                        add(&mut gradients, net.gradients(&(loss * 0.5), &parameters).unwrap()).unwrap();
                    }
                    optimizer.step(gradients.into_iter().collect()).unwrap();
                    tally.so_far()
                }
            };
            assert_eq!(score.images, 8);
            score.loss
        };
        let losses: Vec<f64> = (0..20).map(step).collect();
        assert_eq!(optimizer.steps(), 20);
        losses
    }

    #[test]
    fn a_replayed_step_trains_as_a_plain_one() {
        for kind in [OptimizerKind::Sgd, OptimizerKind::Momentum, OptimizerKind::Nesterov] {
            let replayed = || Some(ReplayedStep::of(Again::step()));
            let plain = losses(kind, None, false);
            let found = losses(kind, replayed(), false);
            let off = |other: &[f64]| plain.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            // Bit by bit: otherwise nobody could tell a mistake of the replay from a rounding, which each step amplifies.
            assert_eq!(plain, found, "{kind:?}");
            // The control: a step that reads an old batch shows.
            assert!(off(&losses(kind, replayed(), true)) > 1e-2, "{kind:?}");
        }
    }
}
