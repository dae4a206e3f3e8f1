//! Assembles batches for updates from the loader's mini-batches.

use nasprof_search::config::Batches;
use nasprof_search::data::{Batch, Loader, Stream};
use nasprof_search::events::RunEvent;
use tch::Device;

use crate::error::SearchError;
use crate::session::MiniBatch;

/// Batches without end, from any of them on.
pub(super) struct Updates {
    stream: Stream,
    accumulate: usize,
    device: Device,
}

impl Updates {
    /// The batches from number `first` on, counted over all epochs.
    pub(super) fn from(loader: &Loader, batches: Batches, first: u64, device: Device) -> Self {
        // A loader's epoch has exactly the mini-batches of its updates.
        let stream = loader.shuffled(first * batches.accumulate as u64);
        Self { stream, accumulate: batches.accumulate, device }
    }

    /// The next batch, in its mini-batches; images left out as unreadable are told.
    pub(super) fn next(&mut self, emit: &mut dyn FnMut(RunEvent)) -> Result<Vec<MiniBatch>, SearchError> {
        let next = self.stream.by_ref().take(self.accumulate);
        next.map(|batch| take(&batch?, self.device, emit)).collect()
    }
}

/// A batch for a forward pass; images left out as unreadable are told.
pub(super) fn take(batch: &Batch, device: Device, emit: &mut dyn FnMut(RunEvent)) -> Result<MiniBatch, SearchError> {
    batch.skipped.iter().for_each(|corrupt| emit(RunEvent::Line(format!("warning: skipped {corrupt}"))));
    MiniBatch::new(batch, device)
}
