//! The checks of a reply: it has the requested shape, and its numbers are plausible.

use super::super::arithmetic::Timing;
use super::super::bounds::{
    MAX_BYTES, MAX_COUNT, MAX_ITEMS, MAX_MHZ, MAX_NS, MAX_PERCENT, MAX_TEXT_BYTES, MAX_TIMER_NS, MAX_VALUE,
};
use super::super::clocks::{ClockRequest, Stored};
use super::super::model::{ModelOpened, ModelRequest};
use super::super::reply::{Canary, Energy, Fingerprint, Loaded, Memory, Probe, Probes, QueuedRuns, Run, Visit};
use super::super::request::VisitRequest;

/// A canary lasts milliseconds by design. A shorter time means a broken timer or agent.
const MIN_CANARY_NS: u64 = 10_000;

pub(super) fn check_fingerprint(fingerprint: &Fingerprint) -> Result<(), String> {
    items("facts", fingerprint.facts.len())?;
    for (name, value) in &fingerprint.facts {
        text("the name of a fact", name)?;
        text("a fact", value)?;
    }
    at_most("timer_overhead_ns", fingerprint.timer_overhead_ns, MAX_TIMER_NS)
}

pub(super) fn check_loaded(workload: u32, layers: usize, loaded: &Loaded) -> Result<(), String> {
    asked("unit", u64::from(workload), u64::from(loaded.workload))?;
    asked("number of first_ns", layers as u64, loaded.first_ns.len() as u64)?;
    loaded.first_ns.iter().try_for_each(|&ns| at_most("first_ns", ns, MAX_NS))
}

pub(super) fn check_model(request: &ModelRequest, opened: &ModelOpened) -> Result<(), String> {
    asked("unit", u64::from(request.workload), u64::from(opened.workload))?;
    items("kernels", opened.kernels.len())?;
    items("inputs", opened.inputs.len())?;
    opened.inputs.iter().try_for_each(|input| text("an input", input))?;
    for kernel in &opened.kernels {
        for part in [&kernel.name, &kernel.operator, &kernel.provider] {
            text("a name", part)?;
        }
        items("tensors", kernel.inputs.len().max(kernel.outputs.len()))?;
        kernel.inputs.iter().chain(&kernel.outputs).try_for_each(|tensor| text("a shape", tensor))?;
        at_most("parameter_bytes", kernel.parameter_bytes, MAX_BYTES)?;
    }
    at_most("session_ns", opened.session_ns, MAX_NS)?;
    at_most("first_ns", opened.first_ns, MAX_NS)?;
    at_most("peak_bytes", opened.peak_bytes.unwrap_or(0), MAX_BYTES)
}

pub(super) fn check_visit(request: &VisitRequest, layers: usize, visit: &Visit) -> Result<(), String> {
    asked("sequence", request.sequence, visit.sequence)?;
    asked("unit", u64::from(request.workload), u64::from(visit.workload))?;
    check_runs("runs with a timer between the layers", &visit.layers, request.layer_runs, layers)?;
    check_runs("runs timed as a whole", &visit.whole, request.whole_runs, 1)?;
    check_queued(request, layers, visit.queued.as_ref())?;
    let Some(conditions) = &visit.conditions else { return Ok(()) };
    at_most("clock_mhz", u64::from(conditions.clock_mhz.unwrap_or(0)), u64::from(MAX_MHZ))?;
    items("throttled", conditions.throttled.as_ref().map_or(0, Vec::len))
}

pub(super) fn check_queued(request: &VisitRequest, layers: usize, queued: Option<&QueuedRuns>) -> Result<(), String> {
    let none = QueuedRuns::default();
    let QueuedRuns { graph, wall, launches, references } = queued.unwrap_or(&none);
    let wants = |timing, runs| if request.timings.contains(&timing) { runs } else { 0 };
    // A network that cannot be captured has no replays.
    let replays = if graph.is_empty() { 0 } else { wants(Timing::Graph, request.whole_runs) };
    check_runs("replays of a graph", graph, replays, 1)?;
    check_runs("calls with their answers", wall, wants(Timing::Wall, request.whole_runs), 1)?;
    check_runs("runs with a clock between launches", launches, wants(Timing::Wall, request.layer_runs), layers)?;
    check_runs("launches beside them", references, wants(Timing::Wall, request.layer_runs.max(request.whole_runs)), 2)
}

pub(super) fn check_runs(what: &str, runs: &[Run], wanted: u32, times: usize) -> Result<(), String> {
    asked(&format!("number of {what}"), u64::from(wanted), runs.len() as u64)?;
    for Run { ns, switches, faults } in runs {
        asked(&format!("number of times in {what}"), times as u64, ns.len() as u64)?;
        ns.iter().try_for_each(|&ns| at_most("ns", ns, MAX_NS))?;
        at_most("switches", *switches, MAX_COUNT)?;
        at_most("faults", *faults, MAX_COUNT)?;
    }
    Ok(())
}

/// Also refuses a canary that takes no time: the warm-up would never end, and the timer is useless for layers too.
pub(super) fn check_canary(canary: &Canary) -> Result<(), String> {
    let mut total = 0;
    for (what, times) in [("compute_ns", &canary.compute_ns), ("memory_ns", &canary.memory_ns)] {
        items(what, times.len())?;
        if times.is_empty() {
            return Err(format!("{what} is empty"));
        }
        times.iter().try_for_each(|&ns| at_most(what, ns, MAX_NS))?;
        total += times.iter().fold(0, |sum: u64, &ns| sum.saturating_add(ns));
    }
    if total < MIN_CANARY_NS {
        return Err("the timer returns zero, or almost zero, for the canary".to_owned());
    }
    Ok(())
}

pub(super) fn check_probes(probes: &Probes) -> Result<(), String> {
    items("values", probes.values.len())?;
    probes.values.iter().try_for_each(|(name, probe)| {
        text("the name of a probe", name)?;
        match probe {
            Probe::Ok(value) | Probe::Bad(value) if value.abs() <= MAX_VALUE => Ok(()),
            Probe::NotObservable => Ok(()),
            Probe::Ok(value) | Probe::Bad(value) => {
                Err(format!("a probe is {value:e}, at most {MAX_VALUE:e} is possible"))
            }
        }
    })?;
    items("busy", probes.busy.len())?;
    probes.busy.iter().try_for_each(|process| {
        text("the name of a process", &process.name)?;
        match process.percent {
            percent if (0.0..=MAX_PERCENT).contains(&percent) => Ok(()),
            percent => {
                Err(format!("a process uses {percent:e} % of the processor time, 0 to {MAX_PERCENT} are possible"))
            }
        }
    })
}

pub(super) fn check_memory(memory: &Memory) -> Result<(), String> {
    at_most("first_ns", memory.first_ns, MAX_NS)?;
    for (what, bytes) in [
        ("peak_bytes", memory.peak_bytes),
        ("network_bytes", memory.network_bytes),
        ("stored_bytes", memory.stored_bytes),
        ("resolution_bytes", Some(memory.resolution_bytes)),
    ] {
        at_most(what, bytes.unwrap_or(0), MAX_BYTES)?;
    }
    text("method", &memory.method)
}

pub(super) fn check_energy(energy: &Energy) -> Result<(), String> {
    text("method", &energy.method)?;
    amount("idle_milliwatts", energy.idle_milliwatts)?;
    amount("resolution_microjoules", energy.resolution_microjoules)?;
    items("windows", energy.windows.len())?;
    for window in &energy.windows {
        at_most("calls", window.calls, MAX_COUNT)?;
        at_most("nanoseconds", window.nanoseconds, MAX_NS)?;
        amount("microjoules", window.microjoules)?;
        if window.calls == 0 || window.nanoseconds == 0 {
            return Err("a window has no calls or takes no time".to_owned());
        }
    }
    if energy.windows.is_empty() { Err("windows is empty".to_owned()) } else { Ok(()) }
}

/// Refuses stored clock settings that do not belong to this clock request.
///
/// # Errors
/// Why the settings are refused.
pub fn check_stored(request: &ClockRequest, stored: &Stored) -> Result<(), String> {
    asked("format_version", 1, u64::from(stored.format_version))?;
    if stored.request != *request {
        return Err("the settings do not match the requested clocks".to_owned());
    }
    items("settings", stored.settings.len())?;
    for part in [&stored.name, &stored.boot] {
        text("a name", part)?;
    }
    for setting in &stored.settings {
        for part in [&setting.control, &setting.name, &setting.value] {
            text("a setting", part)?;
        }
    }
    Ok(())
}

fn asked(what: &str, wanted: u64, found: u64) -> Result<(), String> {
    if wanted == found { Ok(()) } else { Err(format!("{what} is {found}, but {wanted} was requested")) }
}

fn at_most(what: &str, value: u64, most: u64) -> Result<(), String> {
    if value <= most { Ok(()) } else { Err(format!("{what} is {value}, at most {most} is possible")) }
}

fn amount(what: &str, value: f64) -> Result<(), String> {
    if (0.0..=MAX_VALUE).contains(&value) {
        return Ok(());
    }
    Err(format!("{what} is {value:e}, only 0 to {MAX_VALUE:e} is possible"))
}

fn items(what: &str, count: usize) -> Result<(), String> {
    at_most(&format!("number of {what}"), count as u64, MAX_ITEMS as u64)
}

fn text(what: &str, text: &str) -> Result<(), String> {
    at_most(&format!("number of bytes of {what}"), text.len() as u64, MAX_TEXT_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::super::super::clocks::ClockCommands;
    use super::super::super::reply::{BusyProcess, EnergyWindow};
    use super::*;

    /// What no line can hold, a device in this process can still answer.
    #[test]
    fn numbers_that_are_none_are_refused() {
        let probes = |value| Probes {
            values: [("load".to_owned(), Probe::Ok(value))].into(),
            busy: vec![BusyProcess { name: "cc1".to_owned(), percent: value.abs().min(50.0) }],
        };
        let energy = |value| Energy {
            method: String::new(),
            idle_milliwatts: value,
            resolution_microjoules: 1.0,
            windows: vec![EnergyWindow { calls: 1, nanoseconds: 1, microjoules: 1.0 }],
        };
        assert!(check_probes(&probes(-1.0)).is_ok() && check_energy(&energy(1.0)).is_ok());
        let uses = |percent| {
            check_probes(&Probes { busy: vec![BusyProcess { name: "cc1".to_owned(), percent }], ..probes(1.0) })
        };
        assert!([f64::NAN, -1.0, 110.1, f64::INFINITY].into_iter().all(|percent| uses(percent).is_err()));
        // Counters and clock are not read in one moment.
        assert!([0.0, 100.0, 101.8].into_iter().all(|percent| uses(percent).is_ok()));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(check_probes(&probes(value)).is_err() && check_energy(&energy(value)).is_err(), "{value}");
        }
    }

    /// What a GPU's other latencies must look like, in number and length.
    #[test]
    fn other_latencies_are_those_that_were_asked_for() {
        let run = |times: usize| Run { ns: vec![1; times], switches: 0, faults: 0 };
        let request = |timings: &[Timing]| VisitRequest {
            sequence: 0,
            workload: 0,
            warm_up_runs: 0,
            layer_runs: 1,
            whole_runs: 2,
            repeat: 1,
            timings: timings.to_vec(),
        };
        let all = QueuedRuns {
            graph: vec![run(1); 2],
            wall: vec![run(1); 2],
            launches: vec![run(3)],
            references: vec![run(2); 2],
        };
        let both = request(&[Timing::Graph, Timing::Wall]);
        check_queued(&both, 3, Some(&all)).unwrap();
        // A network that cannot be captured has no replays.
        check_queued(&both, 3, Some(&QueuedRuns { graph: Vec::new(), ..all.clone() })).unwrap();
        check_queued(&request(&[]), 3, None).unwrap();
        let wrong = [
            (request(&[]), Some(all.clone())),
            (both.clone(), None),
            (request(&[Timing::Graph]), Some(all.clone())),
            (both.clone(), Some(QueuedRuns { wall: vec![run(1)], ..all.clone() })),
            (both.clone(), Some(QueuedRuns { launches: vec![run(2)], ..all.clone() })),
            (both.clone(), Some(QueuedRuns { references: vec![run(2)], ..all.clone() })),
            (both.clone(), Some(QueuedRuns { references: vec![run(1); 2], ..all.clone() })),
            (both, Some(QueuedRuns { graph: vec![run(2); 2], ..all })),
        ];
        for (request, queued) in wrong {
            assert!(check_queued(&request, 3, queued.as_ref()).is_err(), "{request:?} {queued:?}");
        }
    }

    #[test]
    fn clock_settings_are_those_that_were_asked_for() {
        let request = ClockRequest { gpu: Some(0), ..ClockRequest::default() };
        let stored = Stored {
            format_version: 1,
            name: String::new(),
            boot: "first".to_owned(),
            request: request.clone(),
            settings: Vec::new(),
        };
        check_stored(&request, &stored).unwrap();
        // Restoring runs these commands later: they are never the agent's own.
        let [store, set, restore] = ["store", "set", "restore"].map(str::to_owned);
        let commands = Some(ClockCommands { store, set, restore });
        let others = Stored { request: ClockRequest { commands, ..request.clone() }, ..stored.clone() };
        assert!(check_stored(&request, &others).is_err());
        assert!(check_stored(&request, &Stored { format_version: 2, ..stored.clone() }).is_err());
        assert!(check_stored(&request, &Stored { boot: "x".repeat(MAX_TEXT_BYTES + 1), ..stored }).is_err());
    }
}
