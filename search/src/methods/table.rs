//! Tables of trained networks, which replace training: a lookup takes microseconds.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nasprof_graph::Arch;
use nasprof_graph::passes::{eliminate_dead_code, select};
use nasprof_spaces::Space;
use thiserror::Error;

use super::{Entry, Fault, Progress, Trainings, nasbench201};
use crate::columns::TableError;
use crate::costs::counts;
use crate::trials::{Outcome, Record, read_table};

/// Maximum size of a table in bytes.
const MAX_BYTES: u64 = 1 << 28;

/// An unusable table.
#[derive(Debug, Error)]
pub enum AccuracyTableError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The table.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The table has the wrong format.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The table.
        path: PathBuf,
        /// What is wrong, and the row.
        problem: String,
    },
    /// A table of trained networks that cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Distinct trained networks of one space.
#[derive(Debug, Clone)]
pub struct AccuracyTable {
    epochs: u32,
    failed: usize,
    entries: Vec<(Arch, Entry)>,
    index: HashMap<Arch, usize>,
}

impl AccuracyTable {
    /// Reads a table of a space: the CSV of NAS-Bench-201 with the columns `cell`, `cifar10_valid`, `cifar10_test` and so
    /// on, or the `networks.parquet` of `nasprof train --many`. Of several trainings of one network, the first one counts.
    ///
    /// # Errors
    /// A file that cannot be read; a row that is missing, repeated or impossible.
    pub fn read(path: &Path, space: &Space) -> Result<Self, AccuracyTableError> {
        if path.extension().is_some_and(|end| end == "parquet") {
            let records = read_table(path)?;
            let problem = |problem| AccuracyTableError::Format { path: path.to_owned(), problem };
            return Self::of_records(&records, space).map_err(problem);
        }
        let fail = |source| AccuracyTableError::File { path: path.to_owned(), source };
        let metadata = fs::metadata(path).map_err(fail)?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            return Err(fail(io::Error::other("not a regular file, or larger than 256 MiB")));
        }
        let bytes = fs::read(path).map_err(fail)?;
        let entries = nasbench201::read(&bytes, space)
            .and_then(|entries| with_counts(entries, space))
            .and_then(|entries| Self::new(1, entries));
        entries.map_err(|problem| AccuracyTableError::Format { path: path.to_owned(), problem })
    }

    /// A table of these records, in their order, without failed trainings; [`AccuracyTable::failed`] counts them.
    ///
    /// # Errors
    /// A record of another space, or with other parameters or MACs than its network has; trainings of different lengths;
    /// invalid or missing accuracies, a missing validation loss.
    pub fn of_records(records: &[Record], space: &Space) -> Result<Self, String> {
        let about = |i: usize, problem: String| format!("network {}: {problem}", i + 1);
        let resolve = |(i, record): (usize, &Record)| {
            record.arch.resolve(&space.name, &space.choices).map_err(|e| about(i, e.to_string()))
        };
        let archs = records.iter().enumerate().map(resolve).collect::<Result<Vec<Arch>, _>>()?;
        let counted = counts(&space.graph, &archs).map_err(|e| e.to_string())?;
        let (mut entries, mut length) = (Vec::<(Arch, Entry)>::new(), None);
        for (i, ((record, arch), counted)) in records.iter().zip(archs).zip(counted).enumerate() {
            let about = |problem: String| about(i, problem);
            check_counts(record, counted, space, &arch).map_err(about)?;
            let Outcome::Trained { epochs, test_accuracy, .. } = &record.outcome else { continue };
            if *length.get_or_insert(epochs.len()) != epochs.len() {
                return Err(about(format!(
                    "{} epochs, but the networks before it have {}",
                    epochs.len(),
                    length.unwrap_or(0)
                )));
            }
            if entries.iter().any(|(other, _)| *other == arch) {
                continue;
            }
            if epochs.iter().any(|epoch| epoch.valid_accuracy.is_none()) {
                return Err(about("was trained without validation images".to_owned()));
            }
            if let Some(epoch) = epochs.iter().position(|epoch| epoch.valid_loss.is_none()) {
                return Err(about(format!("epoch {} has no validation loss", epoch + 1)));
            }
            let curve: Vec<Progress> = (1..=epochs.len()).filter_map(|done| Progress::after(&epochs[..done])).collect();
            let valid = curve.last().map_or(f64::NAN, |progress| progress.valid);
            let mut scores: HashMap<String, f64> = record.scores.clone().into_iter().collect();
            scores.insert("params".to_owned(), counted.0 as f64);
            scores.insert("macs".to_owned(), counted.1 as f64);
            entries.push((arch, Entry { curve, valid, test: *test_accuracy, scores }));
        }
        let failed = records.iter().filter(|record| matches!(record.outcome, Outcome::Failed { .. })).count();
        let table = Self::new(u32::try_from(length.unwrap_or(0)).map_err(|e| e.to_string())?, entries)?;
        Ok(Self { failed, ..table })
    }

    /// A table of networks that were trained for `epochs` epochs: 1 for final accuracies of trainings of unknown length, so that
    /// costs are whole trainings.
    ///
    /// # Errors
    /// A duplicate network, an invalid accuracy or loss, an empty table.
    pub fn new(epochs: u32, mut entries: Vec<(Arch, Entry)>) -> Result<Self, String> {
        for (_, entry) in &mut entries {
            entry.valid = comparable(entry.valid);
            entry.test = comparable(entry.test);
            entry.curve.iter_mut().for_each(|progress| progress.valid = comparable(progress.valid));
        }
        let mut index = HashMap::new();
        for (at, (arch, entry)) in entries.iter().enumerate() {
            if let Some(first) = index.insert(arch.clone(), at) {
                return Err(format!("network {}: duplicate of network {}", at + 1, first + 1));
            }
            let accuracies =
                [entry.valid, entry.test].into_iter().chain(entry.curve.iter().map(|progress| progress.valid));
            if let Some(bad) = accuracies.into_iter().find(|accuracy| !(0.0..=1.0).contains(accuracy)) {
                return Err(format!("network {}: accuracy {bad} is not in [0, 1]", at + 1));
            }
            let losses = entry
                .curve
                .iter()
                .flat_map(|progress| progress.loss.into_iter().chain(progress.losses.into_iter().flatten()));
            if losses.into_iter().any(|loss| !loss.is_finite()) {
                return Err(format!("network {}: a loss is not a finite number", at + 1));
            }
        }
        if entries.is_empty() || epochs == 0 {
            return Err("the table has no trained network".to_owned());
        }
        Ok(Self { epochs, failed: 0, entries, index })
    }

    /// Whether it has learning curves.
    #[must_use]
    pub fn has_curves(&self) -> bool {
        self.entries.first().is_some_and(|(_, entry)| !entry.curve.is_empty())
    }

    /// Epochs of a full training; 1 without learning curves.
    #[must_use]
    pub fn epochs(&self) -> u32 {
        self.epochs
    }

    /// Failed trainings that the table leaves out.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// The networks, in the table's order.
    pub fn archs(&self) -> impl Iterator<Item = &Arch> {
        self.entries.iter().map(|(arch, _)| arch)
    }

    /// The entry of a network.
    #[must_use]
    pub fn find(&self, arch: &Arch) -> Option<&Entry> {
        self.index.get(arch).map(|&at| &self.entries[at].1)
    }
}

/// A share of images without the noise of its last digits. Versions before 0.3 added up shares of batches, so that networks
/// with equally many right images were not equally accurate. Shares of different counts differ by far more.
fn comparable(share: f64) -> f64 {
    (share * 1e12).round() / 1e12
}

/// Refuses parameters or MACs that the space's network does not have: then the record is of another space of the same name. Versions
/// before 0.3 also counted layers that are trained but do not run, such as a convolution of zeros.
fn check_counts(record: &Record, (params, macs): (u64, u64), space: &Space, arch: &Arch) -> Result<(), String> {
    let of_record = (record.params, record.macs);
    let trained = || {
        let cost = select(&space.graph, arch).ok().map(|graph| eliminate_dead_code(&graph).cost())?;
        Some((cost.params, cost.macs))
    };
    if of_record == (params, macs) || trained() == Some(of_record) {
        return Ok(());
    }
    let (name, listed, value) =
        if record.params == params { ("macs", record.macs, macs) } else { ("params", record.params, params) };
    Err(format!("`{name}` is {listed}, but {value} in the space `{}`", space.name))
}

/// Adds parameters and MACs as scores, counted over the layers that run.
fn with_counts(mut entries: Vec<(Arch, Entry)>, space: &Space) -> Result<Vec<(Arch, Entry)>, String> {
    let archs: Vec<Arch> = entries.iter().map(|(arch, _)| arch.clone()).collect();
    let counts = counts(&space.graph, &archs).map_err(|e| e.to_string())?;
    for ((_, entry), (params, macs)) in entries.iter_mut().zip(counts) {
        entry.scores.insert("params".to_owned(), params as f64);
        entry.scores.insert("macs".to_owned(), macs as f64);
    }
    Ok(entries)
}

/// Trainings that a table replaces.
#[derive(Debug, Clone, Copy)]
pub struct TableTrainings<'a>(pub &'a AccuracyTable);

impl TableTrainings<'_> {
    fn entry(&self, arch: &Arch) -> Result<&Entry, Fault> {
        self.0.find(arch).ok_or_else(|| format!("the table has no network with the selection {:?}", arch.0).into())
    }
}

impl Trainings for TableTrainings<'_> {
    fn epochs(&self) -> u32 {
        self.0.epochs
    }

    fn has_curves(&self) -> bool {
        self.0.has_curves()
    }

    fn score(&mut self, arch: &Arch, score: &str) -> Result<Option<f64>, Fault> {
        Ok(self.entry(arch)?.scores.get(score).copied())
    }

    fn train(&mut self, archs: &[Arch], epochs: u32) -> Result<Vec<Option<Progress>>, Fault> {
        let progress = |arch: &Arch| {
            let entry = self.entry(arch)?;
            let point = (epochs as usize).checked_sub(1).and_then(|last| entry.curve.get(last));
            let last = Progress { epochs, loss: None, valid: entry.valid, losses: None };
            Ok(Some(point.copied().unwrap_or(last)))
        };
        archs.iter().map(progress).collect()
    }
}
