//! The measurements of one layer in one session.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, trimmed_mean};

/// Samples of one key in one session.
#[derive(Default)]
pub(crate) struct KeySession {
    /// Clean samples by occurrence, each divided by its level.
    pub(crate) occurrences: BTreeMap<(u32, usize), Vec<f64>>,
    pub(crate) visits: u64,
    pub(crate) dropped: u64,
    pub(crate) faulty: u64,
}

impl KeySession {
    /// Trimmed mean at each occurrence, averaged over occurrences: every neighbourhood counts alike.
    pub(crate) fn value(&self) -> Option<f64> {
        mean(&self.occurrences.values().filter_map(|samples| trimmed_mean(samples)).collect::<Vec<_>>())
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = f64> {
        self.occurrences.values().flatten().copied()
    }
}
