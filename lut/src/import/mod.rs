//! Imports latency tables of other programs.
//!
//! Their measuring methods are unknown, and many circulating tables were partly not measured at all. Therefore every
//! row is flagged, estimates from them have no interval, implausible values are refused or flagged ([`plausibility`]),
//! and a failed measurement that was stored as zero becomes a failed row.

mod entry;
mod error;
mod format;
mod nnabla;
mod plausibility;
mod profile;
mod table;

use std::collections::BTreeMap;

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Graph, LayerKey};
use nasprof_profiler::journal::{Header, Mode};
use nasprof_profiler::protocol::{Allocator, Layout, Precision};
use serde::Serialize;

use self::entry::Entry;
pub use self::error::ImportError;
pub(crate) use self::format::is_runtime_profile;
pub use self::format::{Format, Unit};
pub use self::profile::{ProfileLayer, import_profile, profile_layers};
use crate::from_journal::static_row;
use crate::{Context, FORMAT_VERSION, Flag, Imported, Lut, MAX_NS, Row, Times};

/// Facts about a table that the table itself does not contain.
#[derive(Debug, Clone)]
pub struct ImportSettings {
    /// Its format.
    pub format: Format,
    /// The file's name, for the record.
    pub file: String,
    /// The unit of its numbers, unless its columns name it.
    pub unit: Option<Unit>,
    /// Name of the device it was measured on.
    pub device: String,
    /// Name and digest of the space.
    pub space: (String, String),
    /// How layers were timed.
    pub mode: Mode,
    /// Threads that a layer used.
    pub threads: usize,
    /// Batch size that it was measured at.
    pub batch: usize,
    /// Accept a table that is mostly implausible, with flags.
    pub allow_suspicious: bool,
}

/// The result of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The LUT.
    pub lut: Lut,
    /// The gaps and implausible values.
    pub report: ImportReport,
}

/// The report of an import: skipped entries and findings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportReport {
    /// Entries of the table.
    pub entries: usize,
    /// Layers of the space with a time.
    pub rows: usize,
    /// Layers of the space without a time in the table.
    pub missing: usize,
    /// Layers whose measurement failed.
    pub failed: usize,
    /// Entries that are not layers of the space, by reason.
    pub left_out: BTreeMap<String, usize>,
    /// The implausible values.
    pub findings: Vec<String>,
}

/// Makes a LUT of a table. `layers` are the layers of the space, each alone as a graph: entries of other layers are
/// skipped.
///
/// # Errors
/// If the text is not a table of that format, has no usable entry, or is mostly implausible.
pub fn import(
    text: &str,
    layers: &BTreeMap<LayerKey, Graph>,
    settings: &ImportSettings,
) -> Result<Import, ImportError> {
    let (entries, unit) = match settings.format {
        Format::Table => table::read(text, settings.unit)?,
        Format::Nnabla => (nnabla::read(text, settings.batch)?, settings.unit.ok_or(ImportError::Unit)?),
        other => return Err(ImportError::Format(format!("`{}` is the profile of a model", other.name()))),
    };
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    let mut known: BTreeMap<&LayerKey, &Entry> = BTreeMap::new();
    for entry in &entries {
        let key = match &entry.key {
            Ok(key) => layers.get_key_value(key).map(|(key, _)| key).ok_or("not a layer of the space"),
            Err(reason) => Err(reason.as_str()),
        };
        match key {
            Ok(key) => {
                if known.insert(key, entry).is_some_and(|before| before.value != entry.value) {
                    return Err(ImportError::Twice(key.clone()));
                }
            }
            Err(reason) => *left_out.entry(reason.to_owned()).or_default() += 1,
        }
    }
    if known.is_empty() {
        return Err(ImportError::Nothing(entries.len()));
    }
    let mut rows: Vec<Row> =
        known.iter().map(|(key, entry)| row(key, &layers[*key], entry, unit, settings.mode)).collect();
    let judged: Vec<(&Row, &Entry)> = rows.iter().zip(known.values().copied()).collect();
    let judgement = plausibility::judge(&judged);
    if let (Some(why), false) = (&judgement.whole, settings.allow_suspicious) {
        return Err(ImportError::Suspicious(why.clone()));
    }
    for (row, suspicious) in rows.iter_mut().zip(&judgement.rows) {
        if *suspicious {
            row.flags.push(Flag::Suspicious);
        }
    }
    let failed = rows.iter().filter(|row| row.times.is_none()).count();
    let report = ImportReport {
        entries: entries.len(),
        rows: rows.len() - failed,
        missing: layers.len() - rows.len(),
        failed,
        left_out,
        findings: judgement.findings,
    };
    Ok(Import { lut: Lut { context: context(settings, unit), rows }, report })
}

fn row(key: &LayerKey, graph: &Graph, entry: &Entry, unit: Unit, mode: Mode) -> Row {
    let times = times(entry, unit);
    Row {
        error: times.is_none().then(|| failed(entry)),
        times,
        flags: vec![Flag::Imported],
        ..static_row(key, graph, mode)
    }
}

/// What an entry says, unless it is that nothing was measured.
fn times(entry: &Entry, unit: Unit) -> Option<Times> {
    let ns = entry.value * unit.nanoseconds();
    (ns > 0.0 && ns <= MAX_NS).then(|| Times::of_value(ns))
}

fn failed(entry: &Entry) -> String {
    match entry.text.as_str() {
        "" => "the table has an empty cell, a failed measurement".to_owned(),
        text => format!("the table has `{text}`, a failed measurement"),
    }
}

impl Times {
    /// A single value of which nothing else is known.
    fn of_value(mean_ns: f64) -> Self {
        Self {
            mean_ns,
            median_ns: None,
            min_ns: None,
            p10_ns: None,
            p25_ns: None,
            p75_ns: None,
            p90_ns: None,
            mad_ns: None,
            ci_low_ns: None,
            ci_high_ns: None,
            n_occurrences: 0,
            n_visits: 0,
            n_samples: 0,
            n_dropped: 0,
            sessions_ns: Vec::new(),
            reuse: Vec::new(),
        }
    }
}

fn context(settings: &ImportSettings, unit: Unit) -> Context {
    let (space, space_digest) = settings.space.clone();
    Context {
        format_version: FORMAT_VERSION,
        reconciliation: None,
        precision: None,
        header: Header {
            format_version: 1,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            device: settings.device.clone(),
            backend: "imported".to_owned(),
            space,
            space_digest,
            runtime: Runtime::TorchEager,
            mode: settings.mode,
            batch: settings.batch,
            threads: settings.threads,
            cores: Vec::new(),
            allocator: Allocator::System,
            precision: Precision::Float32,
            layout: Layout::ChannelsFirst,
            timing: None,
            ci: 0.0,
            sessions: 0,
            max_rounds: 0,
            seed: 0,
            allow_noisy: true,
            clocks: None,
            energy: false,
            shard: None,
        },
        facts: BTreeMap::new(),
        sessions: Vec::new(),
        anchors: Vec::new(),
        measured: Vec::new(),
        networks: Vec::new(),
        calibration: None,
        queued: None,
        parts: Vec::new(),
        imported: Some(Imported {
            format: settings.format.name().to_owned(),
            file: settings.file.clone(),
            unit: unit.name().to_owned(),
        }),
    }
}
