//! Means over an epoch, the table of all epochs, and the progress of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::SearchError;
use crate::loss::{Score, Tally};

/// Minimum time between two progress events.
const PAUSE: Duration = Duration::from_millis(250);

/// The means of an epoch. Epochs count from 1, including the warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) epoch: u32,
    pub(super) values: BTreeMap<String, f64>,
}

/// The rows as CSV, with one column for each name in any of them.
pub(super) fn table(rows: &[Row]) -> String {
    let names: BTreeSet<&String> = rows.iter().flat_map(|r| r.values.keys()).collect();
    let header = std::iter::once("epoch".to_owned()).chain(names.iter().map(|n| (*n).clone()));
    let mut lines = vec![header.collect::<Vec<_>>().join(",")];
    for row in rows {
        let values = names.iter().map(|n| row.values.get(*n).map_or_else(String::new, ToString::to_string));
        lines.push(std::iter::once(row.epoch.to_string()).chain(values).collect::<Vec<_>>().join(","));
    }
    lines.join("\n") + "\n"
}

/// Sums over an epoch.
#[derive(Debug, Default)]
pub(super) struct Means {
    tallies: BTreeMap<&'static str, Tally>,
    curves: BTreeMap<String, (f64, u32)>,
}

impl Means {
    /// Adds the scores of some images, and reads them from the GPU now and then.
    pub(super) fn tally(&mut self, part: &'static str, tally: Tally) -> Result<(), SearchError> {
        let sum = self.tallies.entry(part).or_default();
        *sum = std::mem::take(sum).and(tally);
        if sum.is_full() {
            sum.score()?;
        }
        Ok(())
    }

    /// Adds a value.
    pub(super) fn curve(&mut self, name: String, value: f64) {
        let (sum, count) = self.curves.entry(name).or_insert((0.0, 0));
        *sum += value;
        *count += 1;
    }

    /// The score of a part so far.
    pub(super) fn of(&mut self, part: &str) -> Result<Score, SearchError> {
        self.tallies.get_mut(part).map_or(Ok(Score::default()), Tally::score)
    }

    /// The epoch's row.
    pub(super) fn row(self, epoch: u32) -> Result<Row, SearchError> {
        let mut values: BTreeMap<String, f64> =
            self.curves.into_iter().map(|(name, (sum, count))| (name, sum / f64::from(count))).collect();
        for (part, mut tally) in self.tallies {
            let score = tally.score()?;
            if score.images > 0 {
                values.insert(format!("loss/{part}"), score.loss);
                values.insert(format!("error/{part}"), score.error());
            }
        }
        Ok(Row { epoch, values })
    }
}

/// The progress of a run.
pub(super) struct Progress {
    started: Instant,
    last_event: Instant,
    /// Steps done by this process, and steps left when it started.
    done: u64,
    total: u64,
}

impl Progress {
    pub(super) fn new(total: u64) -> Self {
        Self { started: Instant::now(), last_event: Instant::now(), done: 0, total }
    }

    /// Counts a step. Returns the remaining seconds if the next event is due.
    pub(super) fn step(&mut self) -> Option<u64> {
        self.done += 1;
        if self.last_event.elapsed() < PAUSE {
            return None;
        }
        self.last_event = Instant::now();
        let left = self.total.saturating_sub(self.done) as f64;
        Some((self.started.elapsed().as_secs_f64() / self.done as f64 * left).ceil() as u64)
    }

    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Adds the epoch and the checkpoint before it to an error of a diverged training.
pub(super) fn at_epoch(error: SearchError, epoch: u32, state_file: &Path) -> SearchError {
    match error {
        SearchError::Diverged { loss, learning_rate, .. } => {
            let checkpoint = Some(state_file.to_owned()).filter(|path| path.exists());
            SearchError::Diverged { loss, learning_rate, epoch: Some(epoch), checkpoint }
        }
        other => other,
    }
}
