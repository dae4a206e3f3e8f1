//! Promise: no answer of a broken device becomes a number, and a lost one ends the measurement with its reason.

use std::collections::BTreeSet;

use nasprof_graph::Graph;
use nasprof_profiler::engine::EngineError;
use nasprof_profiler::journal::{Event, Header, Mode};
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Fingerprint, Loaded, Memory, Probes, Setup, Visit, VisitRequest,
};
use nasprof_profiler::synthetic::{Model, SyntheticDevice};
use nasprof_testkit::engine::{events_of, header, modelled, small_space};

/// Without the check this waits for ever for a canary that takes no time.
#[test]
fn a_timer_that_reads_zero_is_an_error_and_not_zero_nanoseconds() {
    let space = small_space();
    let quiet = Model::named("quiet").unwrap();
    for mode in [Mode::InContext, Mode::Isolated, Mode::Whole] {
        for timer_step_ns in [f64::INFINITY, 1e12] {
            let model = Model { timer_step_ns, ..quiet };
            let error = events_of(&space, header(&space, mode, 1), &mut modelled("zero", model)).unwrap_err();
            assert!(error.to_string().contains("timer returns zero"), "{error}");
        }
        // Control: a coarse timer that does move is good enough.
        let model = Model { timer_step_ns: 1000.0, ..quiet };
        events_of(&space, header(&space, mode, 1), &mut modelled("coarse", model)).unwrap();
    }
}

/// What a broken device does to its answers.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    ZeroVisits,
    HugeVisits,
    HugeCanary,
    EmptyCanary,
    HalfEmptyCanary,
    NoRuns,
    TooManyRuns,
    TooFewLayers,
    EmptyRuns,
    OtherSequence,
    OtherUnit,
    OtherUnitLoaded,
    TooLittleMemory,
}

struct Broken(SyntheticDevice, Fault);

impl Device for Broken {
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        self.0.configure(setup)
    }

    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        if workload == 2 && matches!(self.1, Fault::TooLittleMemory) {
            return Err(DeviceError::Refused("out of memory".to_owned()));
        }
        let mut loaded = self.0.load(workload, graph)?;
        loaded.workload += u32::from(matches!(self.1, Fault::OtherUnitLoaded));
        Ok(loaded)
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        let mut visit = self.0.visit(request)?;
        let all = |visit: &mut Visit, ns: u64| {
            visit.layers.iter_mut().chain(&mut visit.whole).for_each(|run| run.ns.fill(ns));
        };
        match self.1 {
            Fault::ZeroVisits => all(&mut visit, 0),
            Fault::HugeVisits => all(&mut visit, u64::MAX),
            Fault::NoRuns => visit.whole.clear(),
            Fault::TooManyRuns => visit.whole.extend(visit.whole.clone()),
            Fault::TooFewLayers => visit.layers.iter_mut().for_each(|run| run.ns.truncate(run.ns.len() - 1)),
            Fault::EmptyRuns => visit.whole.iter_mut().for_each(|run| run.ns.clear()),
            Fault::OtherSequence => visit.sequence += 1,
            Fault::OtherUnit => visit.workload += 1,
            _ => {}
        }
        Ok(visit)
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        let mut canary = self.0.canary()?;
        match self.1 {
            Fault::HugeCanary => canary.compute_ns.fill(u64::MAX),
            Fault::EmptyCanary => canary = Canary { compute_ns: Vec::new(), memory_ns: Vec::new() },
            Fault::HalfEmptyCanary => canary.compute_ns.clear(),
            _ => {}
        }
        Ok(canary)
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        self.0.probe()
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        self.0.memory(graph)
    }
}

fn measured_broken(mode: Mode, fault: Fault) -> Result<Vec<Event>, EngineError> {
    let space = small_space();
    events_of(&space, Header { sessions: 1, ..header(&space, mode, 1) }, &mut || {
        Ok(Box::new(Broken(SyntheticDevice::named("quiet").unwrap(), fault)) as Box<dyn Device>)
    })
}

#[test]
fn answers_that_do_not_fit_the_question_are_refused() {
    use Fault::*;
    for mode in [Mode::InContext, Mode::Isolated, Mode::Whole] {
        for fault in [
            EmptyCanary,
            HalfEmptyCanary,
            HugeCanary,
            HugeVisits,
            NoRuns,
            TooManyRuns,
            EmptyRuns,
            OtherSequence,
            OtherUnit,
            OtherUnitLoaded,
        ] {
            let error = measured_broken(mode, fault).unwrap_err();
            assert!(matches!(error, EngineError::Device(DeviceError::Protocol(_))), "{mode:?} {fault:?}: {error}");
        }
        // Control: the same device without a fault.
        measured_broken(mode, None).unwrap();
    }
    let error = measured_broken(Mode::InContext, TooFewLayers).unwrap_err();
    assert!(matches!(error, EngineError::Device(DeviceError::Protocol(_))), "{error}");
}

/// The canary runs, yet the layers take no time: never a number, in no mode.
#[test]
fn layers_that_take_no_time_are_never_called_converged() {
    let error = measured_broken(Mode::Isolated, Fault::ZeroVisits).unwrap_err();
    assert!(error.to_string().contains("timer returns zero"), "{error}");
    for mode in [Mode::InContext, Mode::Whole] {
        match measured_broken(mode, Fault::ZeroVisits) {
            Err(error) => assert!(error.to_string().contains("timer returns zero"), "{error}"),
            Ok(events) => {
                let ends = events.iter().filter_map(|event| match event {
                    Event::SessionEnd { converged, .. } => Some(*converged),
                    _ => Option::None,
                });
                let ends: Vec<bool> = ends.collect();
                assert!(!ends.is_empty() && ends.iter().all(|converged| !converged), "{ends:?}");
            }
        }
    }
}

/// The user has to know which network needs less memory. Networks that were given to be timed are all wanted.
#[test]
fn a_network_that_does_not_load_is_named() {
    let error = measured_broken(Mode::Whole, Fault::TooLittleMemory).unwrap_err().to_string();
    assert!(error.contains("network 2 (") && error.ends_with(" layers): out of memory"), "{error}");
}

/// A measurement of layers goes on without a network that does not fit into memory, in all processes.
#[test]
fn layers_are_measured_without_a_network_that_does_not_load() {
    let space = small_space();
    let refused = |events: &[Event]| -> Vec<(u32, String)> {
        let of = |event: &Event| match event {
            Event::Refused { workload, reason } => Some((*workload, reason.clone())),
            _ => None,
        };
        events.iter().filter_map(of).collect()
    };
    let visited = |events: &[Event]| -> BTreeSet<u32> {
        let of = |event: &Event| match event {
            Event::Visit { visit, .. } => Some(visit.workload),
            _ => None,
        };
        events.iter().filter_map(of).collect()
    };
    let planned = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Workload { .. })).count();
    for seed in 0..5 {
        let measured = |fault| {
            events_of(&space, header(&space, Mode::InContext, seed), &mut || {
                Ok(Box::new(Broken(SyntheticDevice::named("quiet").unwrap(), fault)) as Box<dyn Device>)
            })
        };
        let Ok(events) = measured(Fault::TooLittleMemory) else {
            // The network was the first to be loaded.
            continue;
        };
        assert_eq!(refused(&events), [(2, "out of memory".to_owned())], "seed {seed}: in the first session only");
        let of = visited(&events);
        assert!(!of.contains(&2) && of.len() == planned(&events) - 1, "seed {seed}: {of:?}");
        // Control: it is visited if it loads.
        let events = measured(Fault::None).unwrap();
        assert!(refused(&events).is_empty() && visited(&events).contains(&2));
    }
    // A device that loads nothing is broken, and the reason is not that of one network.
    let model = Model { networks: Some(0), ..Model::named("quiet").unwrap() };
    let error = events_of(&space, header(&space, Mode::InContext, 1), &mut modelled("tiny", model)).unwrap_err();
    assert!(error.to_string().contains("out of memory: 0 networks are loaded"), "{error}");
}

#[test]
fn a_lost_device_ends_the_measurement_with_its_reason() {
    let space = small_space();
    let lost = || Err(DeviceError::Lost("the link is down".to_owned()));
    let error = events_of(&space, header(&space, Mode::InContext, 1), &mut { lost }).unwrap_err();
    assert!(matches!(&error, EngineError::Device(DeviceError::Lost(why)) if why == "the link is down"), "{error}");
}
