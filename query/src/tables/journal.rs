//! A journal as a table of samples.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use nasprof_profiler::engine::Workload;
use nasprof_profiler::journal::{Event, read_file_with};
use nasprof_profiler::protocol::{Run, Visit};
use polars::prelude::{Column, Float64Chunked, Int32Chunked, Int64Chunked, IntoColumn, NamedFrom, Series};

use super::frame::repeated;

/// Samples that become columns at once: columns made of all would need their memory twice.
const PART: usize = 1 << 19;
/// In the place of a layer's number where a network was timed as a whole.
const WHOLE: i32 = -1;

/// The columns of a journal: a row for each timed layer and each network timed as a whole. `session` counts all sessions of the
/// journal from 0, in their order, also those of the anchors alone.
///
/// The journal is read event by event, and only samples are kept: there are millions.
pub(super) fn columns(path: &Path) -> Result<Vec<Column>, String> {
    let mut reader = Reader::default();
    let mut fault = None;
    let take = |event| {
        if fault.is_none() {
            fault = reader.take(event).err();
        }
    };
    read_file_with(path, take).map_err(|e| e.to_string())?;
    fault.map_or_else(|| reader.columns(), Err)
}

/// Samples as columns. Numbers have signs, so that `round - 2` is one.
#[derive(Default)]
struct Samples {
    session: Vec<i32>,
    round: Vec<i32>,
    visit: Vec<i64>,
    workload: Vec<i32>,
    layer: Vec<i32>,
    key: Vec<u32>,
    ns: Vec<f64>,
    clean: Vec<bool>,
}

/// Texts of keys, and their numbers.
#[derive(Default)]
struct Keys {
    texts: Vec<String>,
    numbers: HashMap<String, u32>,
}

/// A workload, with the numbers of its keys.
struct Known {
    layers: Vec<u32>,
    whole: u32,
    is_layer: bool,
}

/// The rows of a visit, which count or not by what is read later.
struct Rows {
    count: usize,
    session: usize,
    round: u32,
    sequence: u64,
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    parts: Vec<Samples>,
    visits: Vec<Rows>,
    keys: Keys,
    workloads: BTreeMap<u32, Known>,
    repeats: BTreeMap<u32, u32>,
    /// The last whole round of each session.
    rounds: Vec<u32>,
    /// Visits that were made void, by number of the session.
    void: BTreeSet<(usize, u64)>,
}

impl Reader {
    fn take(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Workload { workload, role, graph } => {
                let made = Workload::new(workload, role, graph);
                let layers = made.keys().map(|key| self.keys.number(key.as_str())).collect();
                let is_layer = made.is_layer();
                let whole = if is_layer { self.keys.number(&made.whole_key().0) } else { self.keys.number("") };
                self.workloads.insert(workload, Known { layers, whole, is_layer });
            }
            Event::Session { .. } => {
                self.rounds.push(0);
                self.repeats.clear();
            }
            Event::Sizing { repeat, visit, .. } => drop(self.repeats.insert(visit.workload, repeat)),
            Event::Visit { round, visit } => self.visit(round, &visit)?,
            Event::Round { round, .. } => self.rounds.last_mut().into_iter().for_each(|last| *last = round),
            Event::Void { sequences, .. } => {
                let session = self.rounds.len().wrapping_sub(1);
                self.void.extend(sequences.into_iter().map(|sequence| (session, sequence)));
            }
            _ => {}
        }
        Ok(())
    }

    fn visit(&mut self, round: u32, visit: &Visit) -> Result<(), String> {
        let known = self.workloads.get(&visit.workload);
        let known = known.ok_or_else(|| format!("visit {} is of an unknown unit", visit.sequence))?;
        let session = self.rounds.len().checked_sub(1).ok_or("a visit before the first session")?;
        if self.parts.last().is_none_or(|part| part.ns.len() >= PART) {
            self.parts.push(Samples::default());
        }
        let Some(part) = self.parts.last_mut() else { return Ok(()) };
        let repeat = self.repeats.get(&visit.workload).copied().unwrap_or(1).max(1);
        let count = part.add(session, round, visit, known, f64::from(repeat))?;
        self.visits.push(Rows { count, session, round, sequence: visit.sequence });
        Ok(())
    }

    /// A sample counts if its round came to its end and its visit was not made void.
    fn columns(mut self) -> Result<Vec<Column>, String> {
        let mut clean = self.parts.iter_mut().flat_map(|part| &mut part.clean);
        for rows in &self.visits {
            let counts = rows.round <= self.rounds[rows.session] && !self.void.contains(&(rows.session, rows.sequence));
            clean.by_ref().take(rows.count).for_each(|clean| *clean &= counts);
        }
        let mut parts = std::mem::take(&mut self.parts).into_iter();
        let mut all = parts.next().unwrap_or_default().columns(&self.keys.texts)?;
        for part in parts {
            for (column, part) in all.iter_mut().zip(part.columns(&self.keys.texts)?) {
                column.append(&part).map_err(|e| e.to_string())?;
            }
        }
        Ok(all)
    }
}

impl Keys {
    fn number(&mut self, key: &str) -> u32 {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = self.texts.len() as u32;
        self.texts.push(key.to_owned());
        self.numbers.insert(key.to_owned(), number);
        number
    }
}

impl Samples {
    /// Adds the samples of a visit, and says how many those are.
    fn add(&mut self, session: usize, round: u32, visit: &Visit, known: &Known, repeat: f64) -> Result<usize, String> {
        let fits = |run: &Run| known.is_layer || run.ns.len() == known.layers.len();
        if !visit.layers.iter().all(fits) || !visit.whole.iter().all(|run| run.ns.len() == 1) {
            return Err(format!("visit {} does not fit its unit", visit.sequence));
        }
        let before = self.ns.len();
        for run in visit.layers.iter().filter(|_| !known.is_layer) {
            self.layer.extend(0..known.layers.len() as i32);
            self.key.extend_from_slice(&known.layers);
            self.ns.extend(run.ns.iter().map(|ns| *ns as f64));
            self.clean.resize(self.ns.len(), run.switches == 0);
        }
        for run in &visit.whole {
            self.ns.extend(run.ns.iter().map(|ns| *ns as f64 / repeat));
            self.layer.resize(self.ns.len(), WHOLE);
            self.key.resize(self.ns.len(), known.whole);
            self.clean.resize(self.ns.len(), run.switches == 0);
        }
        let length = self.ns.len();
        let large = |_| format!("a number of visit {} is too large", visit.sequence);
        self.session.resize(length, i32::try_from(session).map_err(large)?);
        self.round.resize(length, i32::try_from(round).map_err(large)?);
        self.visit.resize(length, i64::try_from(visit.sequence).map_err(large)?);
        self.workload.resize(length, i32::try_from(visit.workload).map_err(large)?);
        Ok(length - before)
    }

    fn columns(self, keys: &[String]) -> Result<Vec<Column>, String> {
        let layer = self.layer.into_iter().map(|layer| (layer != WHOLE).then_some(layer));
        Ok(vec![
            Int32Chunked::from_vec("session".into(), self.session).into_column(),
            Int32Chunked::from_vec("round".into(), self.round).into_column(),
            Int64Chunked::from_vec("visit".into(), self.visit).into_column(),
            Int32Chunked::from_vec("workload".into(), self.workload).into_column(),
            layer.collect::<Int32Chunked>().with_name("layer".into()).into_column(),
            repeated("key", keys, self.key)?,
            Float64Chunked::from_vec("ns".into(), self.ns).into_column(),
            Series::new("clean".into(), self.clean).into(),
        ])
    }
}
