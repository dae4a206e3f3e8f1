//! Work for a GPU that is recorded once and replayed (CUDA graphs): the CPU launches one graph instead of hundreds of kernels.
//!
//! Recorded work reads and writes fixed memory. So each batch is copied to the memory of the recorded one, and the learning
//! rate is a tensor.

use nasprof_torch::cuda::CudaGraph;
use tch::{Device, Kind, Tensor};

use crate::batch::MiniBatch;
use crate::device::copied;
use crate::error::SearchError;
use crate::loss::Tally;

/// The loss of a mini-batch, its logits, and the trainable parameters that contributed.
pub(crate) type Pass = (Tensor, Tensor, Vec<usize>);

/// Computes the loss of a mini-batch.
pub(super) type ForwardPass<'a> = dyn Fn(&MiniBatch, &[Tensor]) -> Result<Pass, SearchError> + 'a;

/// Number of normal steps before the recording: in these, libraries select their algorithms and tensors get their state.
const WARM_UP: u32 = 3;

/// Work for a GPU.
pub(super) type Work<'w> = dyn FnMut() -> Result<(), SearchError> + 'w;

/// Records work, and replays it.
pub(super) trait Recorder {
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

/// Prepares this thread for recording.
///
/// # Errors
/// If the device is not a GPU, or libtorch has no CUDA graphs.
pub(crate) fn prepare(device: Device) -> Result<(), SearchError> {
    let Device::Cuda(index) = device else {
        return Err(SearchError::Searcher("CUDA graphs need a GPU".to_owned()));
    };
    CudaGraph::prepare(index as u32).map_err(SearchError::Searcher)
}

/// The inputs of a step: mini-batches, weights of mixtures, and the learning rate as a tensor.
pub(super) struct Inputs {
    pub(super) batch: Vec<MiniBatch>,
    pub(super) weights: Vec<Tensor>,
    pub(super) rate: Tensor,
}

impl Inputs {
    /// The images of a mini-batch as a share of all images.
    pub(super) fn share(&self, mini: &MiniBatch) -> f64 {
        mini.len() as f64 / self.batch.iter().map(MiniBatch::len).sum::<usize>() as f64
    }
}

/// The input tensors that are replaced before each step.
fn tensors<'t>(batch: &'t [MiniBatch], weights: &'t [Tensor]) -> impl Iterator<Item = &'t Tensor> {
    batch.iter().flat_map(|mini| [&mini.images, &mini.labels]).chain(weights)
}

fn sizes(batch: &[MiniBatch], weights: &[Tensor]) -> Vec<Vec<i64>> {
    tensors(batch, weights).map(Tensor::size).collect()
}

/// Loss and logits of each mini-batch, in the memory that the recorded step writes to.
pub(super) type Outputs = Vec<(Tensor, Tensor)>;

/// A step that is recorded after some runs.
pub(super) struct Recorded {
    recorder: Box<dyn Recorder>,
    runs: u32,
    inputs: Option<Inputs>,
    outputs: Outputs,
}

impl Recorded {
    /// A step without a recording yet. The thread was prepared ([`prepare`]).
    pub(super) fn new() -> Self {
        Self::with(Box::new(Graphs(None)))
    }

    pub(super) fn with(recorder: Box<dyn Recorder>) -> Self {
        Self { recorder, runs: 0, inputs: None, outputs: Outputs::new() }
    }

    /// Whether a batch has the shapes of the first one. A batch without its unreadable images is smaller.
    pub(super) fn fits(&self, batch: &[MiniBatch], weights: &[Tensor]) -> bool {
        self.inputs.as_ref().is_none_or(|inputs| sizes(&inputs.batch, &inputs.weights) == sizes(batch, weights))
    }

    /// Runs a step on these inputs, either normally, recorded or replayed. The learning rate is also that of an error.
    pub(super) fn run(
        &mut self,
        batch: &[MiniBatch],
        weights: &[Tensor],
        rate: f64,
        step: &mut dyn FnMut(&Inputs) -> Result<Outputs, SearchError>,
    ) -> Result<Tally, SearchError> {
        self.take(batch, weights, rate)?;
        let Self { recorder, runs, inputs, outputs } = self;
        let Some(inputs) = inputs else { return Ok(Tally::default()) };
        let mut work = || -> Result<(), SearchError> {
            *outputs = step(inputs)?;
            Ok(())
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

/// Has no GPU: it runs again what it was to record.
#[cfg(test)]
pub(super) struct Again {
    recorded: u32,
}

#[cfg(test)]
impl Again {
    /// A step that is replayed by running it again.
    pub(super) fn step() -> Recorded {
        Recorded::with(Box::new(Self { recorded: 0 }))
    }
}

#[cfg(test)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_gpu_nothing_is_recorded() {
        assert!(prepare(Device::Cpu).is_err());
    }
}
