//! Groups a journal's events by workload, trial and session.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_graph::{Graph, LayerKey};
use nasprof_profiler::engine::Workload;
use nasprof_profiler::journal::{EndReason, EnergyResult, EnergyTarget, Event, Header, Trial};
use nasprof_profiler::protocol::{Canary, Fingerprint, Probe, Probes, Run, Visit};

use crate::LutError;

/// Probes that show at the end of a round that the machine was disturbed during it. Load and pressure do not: the
/// measurement itself causes some.
const DISTURBING: [&str; 3] = ["clock_lock", "gpu_throttle_reasons", "throttle_events"];

/// Everything that a journal holds.
#[derive(Debug, Clone)]
pub struct Observations {
    /// The measurement's settings.
    pub header: Header,
    /// Trials in the order of keys.
    pub trials: Vec<(LayerKey, Graph, Trial)>,
    /// The workloads, by number.
    pub workloads: BTreeMap<u32, Workload>,
    /// Sessions in the header's mode, in order.
    pub sessions: Vec<SessionObservations>,
    /// Sessions of the anchors alone, in order.
    pub level_sessions: Vec<SessionObservations>,
    /// Energy of networks and layers, in the order it was measured.
    pub energy: Vec<(EnergyTarget, EnergyResult)>,
    /// Whether the measurement is complete.
    pub complete: bool,
}

/// The events of one session.
#[derive(Debug, Clone)]
pub struct SessionObservations {
    /// The machine.
    pub fingerprint: Fingerprint,
    /// Its state at the gate.
    pub gate: Probes,
    /// Events that changed the machine's state during rounds, so that their numbers are not comparable.
    pub disturbed: Vec<String>,
    /// Networks that the device refused to load, with its reason.
    pub refused: BTreeMap<u32, String>,
    /// Whether the warm-up became steady.
    pub is_steady: bool,
    /// Canaries with their round.
    pub canaries: Vec<(u32, Canary)>,
    /// Calls in a timed whole run, by workload.
    pub repeats: BTreeMap<u32, u32>,
    /// Visits that count, with their round.
    pub visits: Vec<(u32, Visit)>,
    /// Visits that do not count.
    pub voided: usize,
    /// Rounds that were completed.
    pub rounds: u32,
    /// Convergence and reason of the end; `None` if the session has no end.
    pub end: Option<(bool, EndReason)>,
    /// How often another process continued it.
    pub resumed: u32,
}

impl Observations {
    /// Sorts events.
    ///
    /// # Errors
    /// If they are out of order: visits before a session, unknown workloads.
    pub fn new(events: &[Event]) -> Result<Self, LutError> {
        let wrong = |what: &str| LutError::Incomplete(what.to_owned());
        let Some(Event::Header(header)) = events.first() else {
            return Err(wrong("there is no header"));
        };
        let mut all = Self {
            header: (**header).clone(),
            trials: Vec::new(),
            workloads: BTreeMap::new(),
            sessions: Vec::new(),
            level_sessions: Vec::new(),
            energy: Vec::new(),
            complete: false,
        };
        let mut level = false;
        for event in &events[1..] {
            match event {
                Event::Trial { key, graph, result } => all.trials.push((key.clone(), graph.clone(), result.clone())),
                Event::Workload { workload, role, graph } => {
                    all.workloads.insert(*workload, Workload::new(*workload, role.clone(), graph.clone()));
                }
                Event::Session { fingerprint, gate, mode, .. } => {
                    level = *mode != all.header.mode;
                    all.current(level).push(SessionObservations::new(fingerprint, gate));
                }
                Event::Complete => all.complete = true,
                Event::Header(_) => return Err(wrong("there are two headers")),
                Event::Planned | Event::Clocks { .. } => {}
                Event::Energy { target, result } => all.energy.push((target.clone(), result.clone())),
                Event::Resumed if all.sessions.is_empty() => {}
                other => {
                    let sessions = if level { &mut all.level_sessions } else { &mut all.sessions };
                    let session = sessions.last_mut().ok_or_else(|| wrong("a visit before the first session"))?;
                    session.take(other, &all.workloads)?;
                }
            }
        }
        for session in all.sessions.iter_mut().chain(&mut all.level_sessions) {
            // An incomplete round would give some networks more weight than others.
            let rounds = session.rounds;
            session.visits.retain(|(round, _)| *round <= rounds);
        }
        Ok(all)
    }

    /// Whether a layer that was tried belongs in the LUT: layers that another board measures do not.
    pub(crate) fn has_row(&self, key: &LayerKey, trial: &Trial) -> bool {
        self.header.shard.is_none()
            || matches!(trial, Trial::Failed(_))
            || self.workloads.values().any(|workload| workload.keys().any(|k| k == key))
    }

    /// Why a layer that runs alone was never timed: the device refused all networks with it.
    pub(crate) fn refusal(&self, key: &LayerKey) -> Option<&str> {
        let mut refused = self.sessions.iter().flat_map(|session| &session.refused);
        refused.find_map(|(id, reason)| self.workloads.get(id)?.keys().any(|k| k == key).then_some(reason.as_str()))
    }

    fn current(&mut self, level: bool) -> &mut Vec<SessionObservations> {
        if level { &mut self.level_sessions } else { &mut self.sessions }
    }
}

impl SessionObservations {
    fn new(fingerprint: &Fingerprint, gate: &Probes) -> Self {
        Self {
            fingerprint: fingerprint.clone(),
            gate: gate.clone(),
            disturbed: Vec::new(),
            refused: BTreeMap::new(),
            is_steady: false,
            canaries: Vec::new(),
            repeats: BTreeMap::new(),
            visits: Vec::new(),
            voided: 0,
            rounds: 0,
            end: None,
            resumed: 0,
        }
    }

    /// Whether its device has a queue, and so more than one latency.
    pub(crate) fn has_queue(&self) -> bool {
        !self.fingerprint.timings.is_empty()
    }

    fn take(&mut self, event: &Event, workloads: &BTreeMap<u32, Workload>) -> Result<(), LutError> {
        let known = |visit: &Visit| match workloads.get(&visit.workload) {
            Some(workload) if layer_runs(visit).all(|run| run.ns.len() == workload.keys().len()) => Ok(()),
            _ => Err(LutError::Incomplete(format!("visit {} does not fit its unit", visit.sequence))),
        };
        match event {
            Event::Refused { workload, reason } => {
                if !workloads.contains_key(workload) {
                    return Err(LutError::Incomplete(format!(
                        "workload {workload}, which was refused, is not planned"
                    )));
                }
                self.refused.insert(*workload, reason.clone());
            }
            Event::Canary { round, times } => self.canaries.push((*round, times.clone())),
            Event::WarmedUp { is_steady } => self.is_steady = *is_steady,
            Event::Sizing { repeat, visit, .. } => {
                known(visit)?;
                self.repeats.insert(visit.workload, *repeat);
            }
            Event::Visit { round, visit } => {
                known(visit)?;
                self.visits.push((*round, visit.clone()));
            }
            Event::Void { sequences, .. } => {
                let void: BTreeSet<u64> = sequences.iter().copied().collect();
                self.visits.retain(|(_, visit)| !void.contains(&visit.sequence));
                self.voided += void.len();
            }
            Event::Round { round, probes } => {
                // Code loops over all rounds: a false number would make it run for hours.
                if *round != self.rounds.saturating_add(1) {
                    return Err(LutError::Incomplete(format!("round {round} follows round {}", self.rounds)));
                }
                self.rounds = *round;
                let bad = |name: &&&str| matches!(probes.values.get(**name), Some(Probe::Bad(_)));
                self.disturbed.extend(DISTURBING.iter().filter(bad).map(|name| format!("{name} in round {round}")));
            }
            Event::SessionEnd { converged, reason, .. } => self.end = Some((*converged, *reason)),
            Event::Resumed => self.resumed += 1,
            _ => {}
        }
        Ok(())
    }
}

/// Runs with a time for each layer.
fn layer_runs(visit: &Visit) -> impl Iterator<Item = &Run> {
    visit.layers.iter().chain(visit.queued.iter().flat_map(|queued| &queued.launches))
}
