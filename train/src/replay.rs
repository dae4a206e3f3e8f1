//! Identical steps, recorded once and replayed (CUDA graphs): the CPU launches one graph instead of hundreds of kernels.
//!
//! A recorded step reads and writes fixed memory. So each batch is copied to the memory of the recorded one, and the
//! learning rate is a tensor.

use nasprof_torch::cuda::CudaGraph;
use tch::{Device, Kind, Tensor};

use crate::batch::{Gradients, MiniBatch, add};
use crate::device::copied;
use crate::error::SearchError;
use crate::loss::Tally;
use crate::optimizer::Optimizer;
use crate::supernet::Supernet;

/// Computes the loss of a mini-batch.
type ForwardPass<'a> = dyn Fn(&MiniBatch, &[Tensor]) -> Result<Pass, SearchError> + 'a;

/// Number of normal steps before the recording: in these, libraries select their algorithms and tensors get their state.
const WARM_UP: u32 = 3;

/// Work for a GPU.
pub(crate) type Work<'w> = dyn FnMut() -> Result<(), SearchError> + 'w;

/// Records work, and replays it.
pub(crate) trait Recorder {
    /// Records work without running it. The work has run before.
    fn record(&mut self, work: &mut Work<'_>) -> Result<(), SearchError>;
    /// Runs the recorded work; `work` is its original.
    fn replay(&mut self, work: &mut Work<'_>) -> Result<(), SearchError>;
}

/// Records CUDA graphs on a separate stream of this thread, since the default stream cannot be recorded.
#[derive(Debug)]
struct Graphs(Option<CudaGraph>);

impl Recorder for Graphs {
    fn record(&mut self, work: &mut Work<'_>) -> Result<(), SearchError> {
        let mut failed = None;
        let captured = CudaGraph::record(|| work().map_err(|error| failed.insert(error).to_string()));
        match (failed, captured) {
            (Some(error), _) => Err(error),
            (None, captured) => {
                let refused = |e| SearchError::Searcher(format!("the step cannot be recorded as a CUDA graph: {e}"));
                self.0 = Some(captured.map_err(refused)?);
                Ok(())
            }
        }
    }

    fn replay(&mut self, _work: &mut Work<'_>) -> Result<(), SearchError> {
        let failed = |e| SearchError::Searcher(format!("cannot replay the CUDA graph of a step: {e}"));
        self.0.as_ref().map_or(Ok(()), |captured| captured.replay().map_err(failed))
    }
}

/// The loss of a mini-batch, its logits, and the trainable parameters that contributed.
pub(crate) type Pass = (Tensor, Tensor, Vec<usize>);

/// The inputs of a step: mini-batches, weights of mixtures, and the learning rate as a tensor.
struct Inputs {
    batch: Vec<MiniBatch>,
    weights: Vec<Tensor>,
    rate: Tensor,
}

/// The input tensors that are replaced before each step.
fn tensors<'t>(batch: &'t [MiniBatch], weights: &'t [Tensor]) -> impl Iterator<Item = &'t Tensor> {
    batch.iter().flat_map(|mini| [&mini.images, &mini.labels]).chain(weights)
}

fn sizes(batch: &[MiniBatch], weights: &[Tensor]) -> Vec<Vec<i64>> {
    tensors(batch, weights).map(Tensor::size).collect()
}

/// A step that is recorded after some runs.
pub(crate) struct Replayed {
    recorder: Box<dyn Recorder>,
    runs: u32,
    inputs: Option<Inputs>,
    /// Loss and logits of each mini-batch, in the memory that the recorded step writes to.
    outputs: Vec<(Tensor, Tensor)>,
    /// Positions of the tensors that a step updates.
    updated: Vec<usize>,
    segments: Option<Tensor>,
}

impl Replayed {
    /// A step without a recording yet, on a GPU.
    ///
    /// # Errors
    /// If the device is not a GPU, or libtorch has no CUDA graphs.
    pub(crate) fn on(device: Device) -> Result<Self, SearchError> {
        let Device::Cuda(index) = device else {
            return Err(SearchError::Searcher("CUDA graphs need a GPU".to_owned()));
        };
        CudaGraph::prepare(index as u32).map_err(SearchError::Searcher)?;
        Ok(Self::with(Box::new(Graphs(None))))
    }

    fn with(recorder: Box<dyn Recorder>) -> Self {
        let (outputs, updated) = (Vec::new(), Vec::new());
        Self { recorder, runs: 0, inputs: None, outputs, updated, segments: None }
    }

    /// Whether a batch has the shapes of the first one. A batch without its unreadable images is smaller.
    pub(crate) fn fits(&self, batch: &[MiniBatch], weights: &[Tensor]) -> bool {
        self.inputs.as_ref().is_none_or(|inputs| sizes(&inputs.batch, &inputs.weights) == sizes(batch, weights))
    }

    /// One update of a network, either run normally, recorded or replayed. `pass` computes the loss of a mini-batch.
    pub(crate) fn step(
        &mut self,
        net: &Supernet,
        optimizer: &mut Optimizer,
        batch: &[MiniBatch],
        weights: &[Tensor],
        pass: &ForwardPass<'_>,
    ) -> Result<Tally, SearchError> {
        let rate = optimizer.learning_rate();
        self.take(batch, weights, rate)?;
        let Self { recorder, runs, inputs, outputs, updated, segments } = self;
        let Some(inputs) = inputs else { return Ok(Tally::default()) };
        let total: usize = inputs.batch.iter().map(MiniBatch::len).sum();
        let mut work = || -> Result<(), SearchError> {
            let (mut gradients, mut found) = (Gradients::new(), Vec::new());
            for mini in &inputs.batch {
                let (loss, logits, parameters) = pass(mini, &inputs.weights)?;
                let share = loss.f_mul_scalar(mini.len() as f64 / total as f64)?;
                add(&mut gradients, net.gradients(&share, &parameters)?)?;
                found.push((loss.f_detach()?, logits.f_detach()?));
            }
            *updated = gradients.keys().copied().collect();
            *outputs = found;
            Ok(optimizer.recordable(gradients.into_iter().collect(), &inputs.rate, segments)?)
        };
        if *runs < WARM_UP {
            work()?;
        } else {
            if *runs == WARM_UP {
                recorder.record(&mut work)?;
            }
            recorder.replay(&mut work)?;
        }
        *runs = (*runs + 1).min(WARM_UP + 1);
        optimizer.count(updated, true);
        let mut tally = Tally::default();
        for ((loss, logits), mini) in outputs.iter().zip(&inputs.batch) {
            // Copies, since the next step overwrites this memory.
            tally = tally.and(Tally::of(&copied(loss)?, &copied(logits)?, &copied(&mini.labels)?, rate)?);
        }
        Ok(tally)
    }

    /// Copies the inputs of a step to the memory that it reads.
    fn take(&mut self, batch: &[MiniBatch], weights: &[Tensor], rate: f64) -> Result<(), SearchError> {
        let _guard = tch::no_grad_guard();
        let device = batch.first().map_or(Device::Cpu, |mini| mini.images.device());
        if self.inputs.is_none() {
            let own = |m: &MiniBatch| Ok(MiniBatch { images: copied(&m.images)?, labels: copied(&m.labels)? });
            let batch = batch.iter().map(own).collect::<Result<_, SearchError>>()?;
            let weights = weights.iter().map(copied).collect::<Result<_, _>>()?;
            // A scalar, not a vector with one element.
            let rate = Tensor::f_zeros([1], (Kind::Float, device))?.f_squeeze()?;
            self.inputs = Some(Inputs { batch, weights, rate });
        }
        let Some(inputs) = &mut self.inputs else { return Ok(()) };
        for (there, here) in tensors(&inputs.batch, &inputs.weights).zip(tensors(batch, weights)) {
            there.shallow_clone().f_copy_(here)?;
        }
        let _ = inputs.rate.f_fill_(rate)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nasprof_graph::{Graph, GraphBuilder, Op};
    use nasprof_search::config::{self, OptimizerKind};
    use nasprof_search::schedule::{LearningRate, Schedule};
    use nasprof_testkit::draws;

    use super::*;
    use crate::loss::cross_entropy;
    use crate::supernet::{Path, Phase};

    /// Has no GPU: it runs again what it was to record.
    struct Again {
        recorded: u32,
    }

    impl Recorder for Again {
        fn record(&mut self, _work: &mut Work<'_>) -> Result<(), SearchError> {
            self.recorded += 1;
            assert_eq!(self.recorded, 1, "recorded twice");
            Ok(())
        }

        fn replay(&mut self, work: &mut Work<'_>) -> Result<(), SearchError> {
            work()
        }
    }

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
    fn losses(kind: OptimizerKind, replayed: Option<Replayed>, stale: bool) -> Vec<f64> {
        tch::set_num_threads(1);
        let net = Supernet::new(graph(), 1, Device::Cpu).unwrap();
        let mut optimizer = optimizer(&net, kind);
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
            let replayed = || Some(Replayed::with(Box::new(Again { recorded: 0 })));
            let plain = losses(kind, None, false);
            let found = losses(kind, replayed(), false);
            let off = |other: &[f64]| plain.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(off(&found) < 1e-4, "{kind:?}: {plain:?} {found:?}");
            // The control: a step that reads an old batch shows.
            assert!(off(&losses(kind, replayed(), true)) > 1e-2, "{kind:?}");
        }
    }

    #[test]
    fn without_a_gpu_nothing_is_recorded() {
        assert!(Replayed::on(Device::Cpu).is_err());
    }
}
