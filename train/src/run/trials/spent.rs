//! What the trainings cost so far, and where they were computed.

use super::Trials;

impl Trials<'_> {
    /// Duration of the search so far in seconds, summed over its parts if it was resumed.
    pub(in crate::run) fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// Adds the device of an epoch, in words.
    pub(super) fn computed_on(&mut self, place: &str) {
        if !place.is_empty() && self.places.last().is_none_or(|last| last != place) {
            self.places.push(place.to_owned());
        }
    }

    /// Trained epochs, summed over all networks.
    pub(in crate::run) fn epochs_trained(&self) -> u64 {
        self.known.values().map(|known| known.epochs.len() as u64).sum()
    }
}
