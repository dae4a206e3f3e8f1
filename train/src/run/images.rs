//! Assembles batches for updates from the loader's mini-batches.

use nasprof_search::config::Batches;
use nasprof_search::data::{Batch, Corrupt, Loader, Stream};
use nasprof_search::events::RunEvent;
use tch::Device;

use crate::batch::MiniBatch;
use crate::error::SearchError;

/// An endless stream of batches for updates.
pub(super) struct Updates {
    stream: Stream,
    accumulate: usize,
    device: Device,
    /// The next batch, which is copied to a GPU while the GPU computes on the current one.
    ahead: Option<Result<Staged, SearchError>>,
}

/// A batch on its device, with its skipped images.
struct Staged {
    batch: Vec<MiniBatch>,
    skipped: Vec<Corrupt>,
}

impl Updates {
    /// A stream that begins with batch number `first`, counted over all epochs.
    pub(super) fn from(loader: &Loader, batches: Batches, first: u64, device: Device) -> Self {
        // A loader's epoch has exactly the mini-batches of its updates.
        let stream = loader.shuffled(first * batches.accumulate as u64);
        Self { stream, accumulate: batches.accumulate, device, ahead: None }
    }

    /// The next batch as mini-batches; reports progress and unreadable images.
    pub(super) fn next(&mut self, emit: &mut dyn FnMut(RunEvent)) -> Result<Vec<MiniBatch>, SearchError> {
        // An error of a prefetched batch is reported only when the batch is requested. The one after the last step never is.
        let staged = match self.ahead.take() {
            Some(ahead) => ahead?,
            None => self.stage()?,
        };
        if self.device.is_cuda() {
            self.ahead = Some(self.stage());
        }
        tell(&staged.skipped, emit);
        Ok(staged.batch)
    }

    fn stage(&mut self) -> Result<Staged, SearchError> {
        let mut staged = Staged { batch: Vec::with_capacity(self.accumulate), skipped: Vec::new() };
        for batch in self.stream.by_ref().take(self.accumulate) {
            let mut batch = batch?;
            staged.skipped.append(&mut batch.skipped);
            staged.batch.push(MiniBatch::new(&batch, self.device)?);
        }
        Ok(staged)
    }
}

/// Converts a batch for a forward pass; reports progress and unreadable images.
pub(super) fn take(batch: &Batch, device: Device, emit: &mut dyn FnMut(RunEvent)) -> Result<MiniBatch, SearchError> {
    tell(&batch.skipped, emit);
    MiniBatch::new(batch, device)
}

fn tell(skipped: &[Corrupt], emit: &mut dyn FnMut(RunEvent)) {
    // Whatever a run does, it does it batch by batch.
    emit(RunEvent::Alive);
    skipped.iter().for_each(|corrupt| emit(RunEvent::Line(format!("warning: skipped {corrupt}"))));
}
