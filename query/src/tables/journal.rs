//! A journal as a table of samples.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use nasprof_profiler::engine::Workload;
use nasprof_profiler::journal::{Event, read_file_with};
use nasprof_profiler::protocol::{Run, Visit};
use polars::prelude::{Column, Float64Chunked, Int64Chunked, IntoColumn, NamedFrom, Series};

use super::frame::repeated;
use crate::wanted::Wanted;

/// A part with this many samples is full. Full parts do not grow, so growth never needs all memory twice.
const PART: usize = 1 << 19;
/// Replaces the layer's number if a network was timed as a whole.
const WHOLE: i32 = -1;

/// The names of the columns, in their order.
pub(crate) const NAMES: [&str; 8] = ["session", "round", "visit", "workload", "layer", "key", "ns", "clean"];

/// The columns of a journal: a row for each timed layer and each network timed as a whole. `session` counts all
/// sessions of the journal from 0, in their order, including sessions of anchors only.
///
/// The journal is read event by event, and only its samples are kept: it has millions.
///
/// A column has one number for each sample, so columns that the query does not use are not built.
pub(super) fn columns(path: &Path, wanted: &Wanted) -> Result<Vec<Column>, String> {
    let mut reader = Reader::new(wanted);
    let mut fault = None;
    let take = |event| {
        if fault.is_none() {
            fault = reader.take(event).err();
        }
    };
    read_file_with(path, take).map_err(|e| e.to_string())?;
    fault.map_or_else(|| reader.columns(), Err)
}

/// Samples as columns; unwanted columns are absent.
#[derive(Clone)]
struct Samples {
    count: usize,
    session: Option<Vec<i32>>,
    round: Option<Vec<i32>>,
    visit: Option<Vec<i64>>,
    workload: Option<Vec<i32>>,
    layer: Option<Vec<i32>>,
    key: Option<Vec<u32>>,
    ns: Option<Vec<f64>>,
    /// Always built: a table without columns would have no rows.
    clean: Vec<bool>,
}

/// The texts of keys, and the number of each.
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

/// The rows of a visit; later events decide whether they count.
struct Rows {
    count: usize,
    session: usize,
    round: u32,
    sequence: u64,
}

/// The state of reading.
struct Reader {
    /// A part without samples.
    empty: Samples,
    parts: Vec<Samples>,
    visits: Vec<Rows>,
    keys: Keys,
    workloads: BTreeMap<u32, Known>,
    repeats: BTreeMap<u32, u32>,
    /// The last complete round of each session.
    rounds: Vec<u32>,
    /// Void visits, by number of the session.
    void: BTreeSet<(usize, u64)>,
}

impl Reader {
    fn new(wanted: &Wanted) -> Self {
        Self {
            empty: Samples::new(wanted),
            parts: Vec::new(),
            visits: Vec::new(),
            keys: Keys::default(),
            workloads: BTreeMap::new(),
            repeats: BTreeMap::new(),
            rounds: Vec::new(),
            void: BTreeSet::new(),
        }
    }

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
        let known = known.ok_or_else(|| format!("visit {} has an unknown unit", visit.sequence))?;
        let session = self.rounds.len().checked_sub(1).ok_or("a visit before the first session")?;
        if self.parts.last().is_none_or(|part| part.count >= PART) {
            self.parts.push(self.empty.clone());
        }
        let Some(part) = self.parts.last_mut() else { return Ok(()) };
        let repeat = self.repeats.get(&visit.workload).copied().unwrap_or(1).max(1);
        let count = part.add(session, round, visit, known, f64::from(repeat))?;
        self.visits.push(Rows { count, session, round, sequence: visit.sequence });
        Ok(())
    }

    /// A sample counts if its round is complete and its visit is not void.
    fn columns(mut self) -> Result<Vec<Column>, String> {
        let mut clean = self.parts.iter_mut().flat_map(|part| &mut part.clean);
        for rows in &self.visits {
            let counts = rows.round <= self.rounds[rows.session] && !self.void.contains(&(rows.session, rows.sequence));
            clean.by_ref().take(rows.count).for_each(|clean| *clean &= counts);
        }
        if self.parts.is_empty() {
            self.parts.push(self.empty);
        }
        columns_of(self.parts, &self.keys.texts)
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
    fn new(wanted: &Wanted) -> Self {
        fn column<T>(wanted: &Wanted, name: &str) -> Option<Vec<T>> {
            wanted.has(name).then(Vec::new)
        }
        Self {
            count: 0,
            session: column(wanted, "session"),
            round: column(wanted, "round"),
            visit: column(wanted, "visit"),
            workload: column(wanted, "workload"),
            layer: column(wanted, "layer"),
            key: column(wanted, "key"),
            ns: column(wanted, "ns"),
            clean: Vec::new(),
        }
    }

    /// Adds the samples of a visit and returns their number.
    fn add(&mut self, session: usize, round: u32, visit: &Visit, known: &Known, repeat: f64) -> Result<usize, String> {
        let fits = |run: &Run| known.is_layer || run.ns.len() == known.layers.len();
        if !visit.layers.iter().all(fits) || !visit.whole.iter().all(|run| run.ns.len() == 1) {
            return Err(format!("visit {} does not fit its unit", visit.sequence));
        }
        let before = self.count;
        for run in visit.layers.iter().filter(|_| !known.is_layer) {
            self.count += run.ns.len();
            extend(&mut self.layer, 0..known.layers.len() as i32);
            extend(&mut self.key, known.layers.iter().copied());
            extend(&mut self.ns, run.ns.iter().map(|ns| *ns as f64));
            self.clean.resize(self.count, run.switches == 0);
        }
        for run in &visit.whole {
            self.count += run.ns.len();
            extend(&mut self.ns, run.ns.iter().map(|ns| *ns as f64 / repeat));
            fill(&mut self.layer, self.count, WHOLE);
            fill(&mut self.key, self.count, known.whole);
            self.clean.resize(self.count, run.switches == 0);
        }
        let large = |_| format!("a number of visit {} is too large", visit.sequence);
        fill(&mut self.session, self.count, i32::try_from(session).map_err(large)?);
        fill(&mut self.round, self.count, i32::try_from(round).map_err(large)?);
        fill(&mut self.visit, self.count, i64::try_from(visit.sequence).map_err(large)?);
        fill(&mut self.workload, self.count, i32::try_from(visit.workload).map_err(large)?);
        Ok(self.count - before)
    }
}

/// The columns of all parts. Each column is one piece of memory, because polars copies a table of many pieces before it
/// sorts. Parts are freed while the columns are built.
///
/// Numbers are signed, so that `round - 2` can be negative, and have 64 bits: `SUM` and `*` wrap around in 32 bits.
fn columns_of(mut parts: Vec<Samples>, keys: &[String]) -> Result<Vec<Column>, String> {
    fn joined<T, U>(
        parts: &mut [Samples],
        of: impl Fn(&mut Samples) -> Option<Vec<T>>,
        each: impl Fn(T) -> U + Copy,
    ) -> Option<Vec<U>> {
        let mut all = Vec::with_capacity(parts.iter().map(|part| part.count).sum());
        parts.iter_mut().map(|part| Some(all.extend(of(part)?.into_iter().map(each)))).collect::<Option<()>>()?;
        Some(all)
    }
    let whole = |name: &str, numbers: Vec<i64>| Int64Chunked::from_vec(name.into(), numbers).into_column();
    let parts = &mut parts[..];
    let mut columns = Vec::new();
    columns.extend(joined(parts, |part| part.session.take(), i64::from).map(|numbers| whole("session", numbers)));
    columns.extend(joined(parts, |part| part.round.take(), i64::from).map(|numbers| whole("round", numbers)));
    columns.extend(joined(parts, |part| part.visit.take(), |visit| visit).map(|numbers| whole("visit", numbers)));
    columns.extend(joined(parts, |part| part.workload.take(), i64::from).map(|numbers| whole("workload", numbers)));
    if parts.iter().all(|part| part.layer.is_some()) {
        let numbers = parts.iter_mut().filter_map(|part| part.layer.take()).flatten();
        let layers: Int64Chunked = numbers.map(|layer| (layer != WHOLE).then_some(i64::from(layer))).collect();
        columns.push(layers.with_name("layer".into()).into_column());
    }
    if let Some(numbers) = joined(parts, |part| part.key.take(), |key| key) {
        columns.push(repeated("key", keys, numbers)?);
    }
    let ns = joined(parts, |part| part.ns.take(), |ns| ns);
    columns.extend(ns.map(|ns| Float64Chunked::from_vec("ns".into(), ns).into_column()));
    let clean = joined(parts, |part| Some(std::mem::take(&mut part.clean)), |clean| clean);
    columns.extend(clean.map(|clean| Series::new("clean".into(), clean).into()));
    Ok(columns)
}

fn extend<T>(column: &mut Option<Vec<T>>, values: impl Iterator<Item = T>) {
    if let Some(column) = column {
        column.extend(values);
    }
}

fn fill<T: Clone>(column: &mut Option<Vec<T>>, length: usize, value: T) {
    if let Some(column) = column {
        column.resize(length, value);
    }
}
