//! Merges LUTs of one context.
//!
//! Two LUTs differ by more than their intervals, because the machine's level moves between them. Merging
//! therefore narrows no interval: intervals and the half-widths of the calibration are the hull of the parts'. Sessions
//! are pooled as if they came from one measurement.

mod calibration;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use nasprof_graph::LayerKey;
use nasprof_profiler::journal::Header;
use thiserror::Error;

pub use self::rows::Conflict;
use crate::{Anchor, Context, FORMAT_VERSION, Lut, NetworkTime, Part, Queued, Row, SessionFacts};

/// The result of merging.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The LUT.
    pub lut: Lut,
    /// Layers on which the parts disagree; they are flagged.
    pub conflicts: Vec<Conflict>,
}

/// Why LUTs cannot be merged. LUTs are counted from 1, in the given order.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MergeError {
    /// Fewer than two.
    #[error("merging needs at least two LUTs")]
    TooFew,
    /// They hold for different contexts.
    #[error("LUT 1 and LUT {number} have different contexts: {differs}")]
    Context {
        /// The other LUT.
        number: usize,
        /// What differs.
        differs: String,
    },
    /// The same measurement would count twice.
    #[error("LUT {first} and LUT {number} hold the same session, which would count twice")]
    Twice {
        /// The LUT that has it as well.
        first: usize,
        /// The later LUT.
        number: usize,
    },
    /// One key stands for different layers.
    #[error("LUT 1 and LUT {number} disagree on the parameters or the cost of `{key}`: one of them is damaged")]
    Layer {
        /// The other LUT.
        number: usize,
        /// The layer.
        key: LayerKey,
    },
}

/// Makes one LUT of several. The result does not depend on their order.
///
/// # Errors
/// If they are not of one context, or if two of them contain the same measurement.
pub fn merge(luts: &[Lut]) -> Result<Merged, MergeError> {
    merge_from(luts, Devices::One)
}

/// Which devices LUTs may be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Devices {
    /// The same one.
    One,
    /// Several devices of one kind, which agree.
    Alike,
}

pub(crate) fn merge_from(luts: &[Lut], devices: Devices) -> Result<Merged, MergeError> {
    let [first, others @ ..] = luts else { return Err(MergeError::TooFew) };
    if others.is_empty() {
        return Err(MergeError::TooFew);
    }
    let mut parts: Vec<(usize, Part)> = first.parts().into_iter().map(|part| (1, part)).collect();
    for (i, other) in others.iter().enumerate() {
        let number = i + 2;
        let mut differs = differences(&first.context, &other.context);
        if devices == Devices::One && first.devices() != other.devices() {
            let names = [first, other].map(|lut| lut.devices().join("+"));
            differs.push(format!("device is `{}` in one and `{}` in the other", names[0], names[1]));
        }
        if !differs.is_empty() {
            return Err(MergeError::Context { number, differs: differs.join("; ") });
        }
        for part in other.parts() {
            if let Some((first, _)) = parts.iter().find(|(_, known)| known.shares_a_session(&part)) {
                return Err(MergeError::Twice { first: *first, number });
            }
            parts.push((number, part));
        }
        same_layers(first, other).map_err(|key| MergeError::Layer { number, key })?;
    }
    let mut ordered: Vec<(String, &Lut)> = luts.iter().map(|lut| (order(&lut.parts()), lut)).collect();
    ordered.sort_by(|a, b| a.0.cmp(&b.0));
    let mut parts: Vec<Part> = parts.into_iter().map(|(_, part)| part).collect();
    parts.sort_by_cached_key(|part| order(std::slice::from_ref(part)));
    let luts: Vec<&Lut> = ordered.into_iter().map(|(_, lut)| lut).collect();
    let (rows, conflicts) = rows::merge(&luts);
    let context = context(&luts, parts, &rows);
    Ok(Merged { lut: Lut { context, rows }, conflicts })
}

impl Lut {
    /// The measurements in it: itself, unless it was merged.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let Context { header, sessions, networks, anchors, reconciliation, precision, parts, .. } = &self.context;
        if !parts.is_empty() {
            return parts.clone();
        }
        // Older versions kept the anchors only.
        let network =
            |anchor: &Anchor| NetworkTime { arch: anchor.arch.clone(), sessions_ns: anchor.sessions_ns.clone() };
        let networks = if networks.is_empty() { anchors.iter().map(network).collect() } else { networks.clone() };
        vec![Part {
            header: header.clone(),
            sessions: sessions.clone(),
            networks,
            reconciliation: reconciliation.clone(),
            precision: *precision,
        }]
    }

    /// The devices on which it was measured: one, or the boards that shared the work.
    #[must_use]
    pub fn devices(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.parts().into_iter().map(|part| part.header.device).collect();
        names.into_iter().collect()
    }
}

impl Part {
    /// Whether both hold a session of one measurement, however much of it. Two measurements with the same settings are
    /// different ones, and so are different boards' shards; a table without sessions is the same as itself.
    fn shares_a_session(&self, other: &Self) -> bool {
        if self.sessions.is_empty() || other.sessions.is_empty() {
            return self == other;
        }
        let same = |own: &SessionFacts| other.sessions.iter().any(|others| own.is_same(others));
        self.header == other.header && self.sessions.iter().any(same)
    }
}

/// The differences between the contexts of two devices, each given by its settings and facts. The devices' names do not
/// count.
#[must_use]
pub fn context_differences(
    a: (&Header, &BTreeMap<String, String>),
    b: (&Header, &BTreeMap<String, String>),
) -> Vec<String> {
    let defining = |(header, facts): (&Header, &BTreeMap<String, String>)| -> BTreeMap<String, String> {
        let mut values = BTreeMap::from([
            ("backend".to_owned(), header.backend.clone()),
            ("runtime".to_owned(), format!("{:?}", header.runtime)),
            ("mode".to_owned(), format!("{:?}", header.mode)),
            ("batch".to_owned(), header.batch.to_string()),
            ("threads".to_owned(), header.threads.to_string()),
            ("cores".to_owned(), format!("{:?}", header.cores)),
            ("allocator".to_owned(), header.allocator.name().to_owned()),
            ("precision".to_owned(), header.precision.name().to_owned()),
            ("layout".to_owned(), header.layout.name().to_owned()),
            ("clocks".to_owned(), format!("{:?}", header.clocks)),
        ]);
        values.extend(facts.iter().map(|(name, value)| (name.clone(), value.clone())));
        values
    };
    let (a, b) = (defining(a), defining(b));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let text = |value: Option<&String>| value.map_or_else(|| "unknown".to_owned(), |v| format!("`{v}`"));
    names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .map(|name| format!("{name} is {} in one and {} in the other", text(a.get(name)), text(b.get(name))))
        .collect()
}

/// Any order will do, as long as it does not depend on the command line.
fn order(parts: &[Part]) -> String {
    // Serialising fails only for a map whose keys are not texts.
    serde_json::to_string(parts).unwrap_or_default()
}

/// The context for which numbers hold, by name. The space is not part of it: a key describes its layer completely.
fn differences(a: &Context, b: &Context) -> Vec<String> {
    let mut differs = context_differences((&a.header, &a.facts), (&b.header, &b.facts));
    if a.imported.is_some() != b.imported.is_some() {
        differs.push("one was measured, the other was imported".to_owned());
    }
    differs
}

/// The key of a layer whose static facts differ.
fn same_layers(a: &Lut, b: &Lut) -> Result<(), LayerKey> {
    let facts = |row: &Row| (row.op.clone(), row.params, row.macs, row.bytes);
    let known: BTreeMap<&LayerKey, &Row> = a.rows.iter().map(|row| (&row.key, row)).collect();
    let differs = |row: &&Row| known.get(&row.key).is_some_and(|other| facts(other) != facts(row));
    b.rows.iter().find(differs).map_or(Ok(()), |row| Err(row.key.clone()))
}

fn context(luts: &[&Lut], parts: Vec<Part>, rows: &[Row]) -> Context {
    let headers = || parts.iter().map(|part| &part.header);
    let first = &luts[0].context;
    let joined = |of: fn(&Header) -> &String| {
        let distinct: BTreeSet<&str> = headers().map(|header| of(header).as_str()).collect();
        distinct.into_iter().collect::<Vec<_>>().join("+")
    };
    let spaces: BTreeSet<&String> = headers().map(|header| &header.space_digest).collect();
    let (calibration, anchors) = calibration::merge(luts, rows);
    Context {
        format_version: FORMAT_VERSION,
        reconciliation: None,
        precision: None,
        header: Header {
            space: joined(|header| &header.space),
            space_digest: joined(|header| &header.space_digest),
            program_version: joined(|header| &header.program_version),
            ci: headers().map(|header| header.ci).fold(0.0, f64::max),
            sessions: headers().map(|header| header.sessions).sum(),
            max_rounds: headers().map(|header| header.max_rounds).max().unwrap_or(0),
            seed: headers().map(|header| header.seed).min().unwrap_or(0),
            allow_noisy: headers().any(|header| header.allow_noisy),
            energy: headers().any(|header| header.energy),
            shard: None,
            ..first.header.clone()
        },
        facts: first.facts.clone(),
        sessions: parts.iter().flat_map(|part| part.sessions.clone()).collect(),
        // An anchor's architecture means something in its own space only.
        anchors: if spaces.len() == 1 { anchors } else { Vec::new() },
        networks: Vec::new(),
        measured: luts
            .iter()
            .flat_map(|lut| lut.context.measured.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        calibration,
        queued: Queued::merged(
            &luts.iter().map(|lut| lut.context.queued.as_ref()).collect::<Vec<_>>(),
            spaces.len() == 1,
        ),
        imported: first.imported.clone(),
        parts,
    }
}
