//! A journal as a table of samples.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nasprof_profiler::engine::Workload;
use nasprof_profiler::journal::Event;
use nasprof_profiler::protocol::{Run, Visit};
use polars::prelude::{Column, Float64Chunked, Int64Chunked, IntoColumn, NamedFrom, Series, UInt32Chunked};

use super::frame::repeated;

/// Samples as columns.
#[derive(Default)]
struct Samples {
    session: Vec<u32>,
    round: Vec<u32>,
    visit: Vec<i64>,
    workload: Vec<u32>,
    layer: Vec<Option<u32>>,
    key: Vec<u32>,
    ns: Vec<f64>,
    clean: Vec<bool>,
    /// Texts of keys, and their numbers.
    keys: Vec<String>,
    numbers: HashMap<String, u32>,
}

/// Which samples count: those of a round that came to its end, of visits that were not made void.
#[derive(Default)]
struct Counted {
    /// By position of the session in the journal.
    rounds: Vec<u32>,
    void: BTreeSet<(usize, u64)>,
}

impl Counted {
    fn new(events: &[Event]) -> Self {
        let mut counted = Self::default();
        for event in events {
            match event {
                Event::Session { .. } => counted.rounds.push(0),
                Event::Round { round, .. } => counted.rounds.last_mut().into_iter().for_each(|last| *last = *round),
                Event::Void { sequences, .. } => {
                    let session = counted.rounds.len();
                    counted.void.extend(sequences.iter().map(|sequence| (session, *sequence)));
                }
                _ => {}
            }
        }
        counted
    }

    fn counts(&self, session: usize, round: u32, visit: &Visit) -> bool {
        let rounds = session.checked_sub(1).and_then(|index| self.rounds.get(index)).copied().unwrap_or(0);
        round <= rounds && !self.void.contains(&(session, visit.sequence))
    }
}

/// A workload, with the numbers of its keys.
struct Known {
    layers: Vec<u32>,
    whole: u32,
    is_layer: bool,
}

/// The columns of a journal: a row for each timed layer and each network timed as a whole. `session` counts all sessions of the
/// journal from 0, in their order, also those of the anchors alone.
pub(super) fn columns(events: &[Event]) -> Result<Vec<Column>, String> {
    let counted = Counted::new(events);
    let mut samples = Samples::default();
    let mut workloads: BTreeMap<u32, Known> = BTreeMap::new();
    let mut repeats: BTreeMap<u32, u32> = BTreeMap::new();
    let mut session = 0;
    for event in events {
        match event {
            Event::Workload { workload, role, graph } => {
                let made = Workload::new(*workload, role.clone(), graph.clone());
                let layers = made.keys().map(|key| samples.number(key.as_str())).collect();
                let whole =
                    if made.is_layer() { samples.number(made.whole_key().as_str()) } else { samples.number("") };
                workloads.insert(*workload, Known { layers, whole, is_layer: made.is_layer() });
            }
            Event::Session { .. } => (session, repeats) = (session + 1, BTreeMap::new()),
            Event::Sizing { repeat, visit, .. } => drop(repeats.insert(visit.workload, *repeat)),
            Event::Visit { round, visit } => {
                let known = workloads.get(&visit.workload);
                let known = known.ok_or_else(|| format!("visit {} is of an unknown unit", visit.sequence))?;
                let repeat = f64::from(repeats.get(&visit.workload).copied().unwrap_or(1).max(1));
                samples.add(session, *round, visit, known, repeat, counted.counts(session, *round, visit))?;
            }
            _ => {}
        }
    }
    samples.columns()
}

impl Samples {
    fn number(&mut self, key: &str) -> u32 {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = self.keys.len() as u32;
        self.keys.push(key.to_owned());
        self.numbers.insert(key.to_owned(), number);
        number
    }

    fn add(
        &mut self,
        session: usize,
        round: u32,
        visit: &Visit,
        known: &Known,
        repeat: f64,
        counts: bool,
    ) -> Result<(), String> {
        let session = session.checked_sub(1).ok_or("a visit before the first session")? as u32;
        let fits = |run: &Run| known.is_layer || run.ns.len() == known.layers.len();
        if !visit.layers.iter().all(fits) || !visit.whole.iter().all(|run| run.ns.len() == 1) {
            return Err(format!("visit {} does not fit its unit", visit.sequence));
        }
        let layers = if known.is_layer { &[][..] } else { &visit.layers[..] };
        let of_layers = layers.iter().flat_map(|run| {
            let clean = counts && run.switches == 0;
            let layers = run.ns.iter().zip(&known.layers).zip(0..);
            layers.map(move |((ns, key), layer)| (Some(layer), *key, *ns as f64, clean))
        });
        let whole = visit.whole.iter().flat_map(|run| {
            let clean = counts && run.switches == 0;
            run.ns.iter().map(move |ns| (None, known.whole, *ns as f64 / repeat, clean))
        });
        for (layer, key, ns, clean) in of_layers.chain(whole) {
            self.layer.push(layer);
            self.key.push(key);
            self.ns.push(ns);
            self.clean.push(clean);
        }
        let length = self.ns.len();
        self.session.resize(length, session);
        self.round.resize(length, round);
        self.visit.resize(length, i64::try_from(visit.sequence).map_err(|_| "a visit's number is too large")?);
        self.workload.resize(length, visit.workload);
        Ok(())
    }

    fn columns(self) -> Result<Vec<Column>, String> {
        Ok(vec![
            // Without a copy: there are millions.
            UInt32Chunked::from_vec("session".into(), self.session).into_column(),
            UInt32Chunked::from_vec("round".into(), self.round).into_column(),
            Int64Chunked::from_vec("visit".into(), self.visit).into_column(),
            UInt32Chunked::from_vec("workload".into(), self.workload).into_column(),
            Series::new("layer".into(), self.layer).into(),
            repeated("key", &self.keys, self.key)?,
            Float64Chunked::from_vec("ns".into(), self.ns).into_column(),
            Series::new("clean".into(), self.clean).into(),
        ])
    }
}
