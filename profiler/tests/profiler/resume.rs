//! Promise: a measurement that is interrupted anywhere goes on from its journal, and on a device in virtual time the
//! final journal is byte for byte that of an uninterrupted one. Another request or another machine is refused.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nasprof_graph::Graph;
use nasprof_profiler::engine::{EngineError, Measurement, Recorder, measure};
use nasprof_profiler::journal::{Event, Header, Mode, Writer, read, read_file};
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Fingerprint, Loaded, Memory, Probes, Setup, Visit, VisitRequest,
};
use nasprof_profiler::synthetic::{Model, SyntheticDevice};
use nasprof_spaces::Space;
use nasprof_testkit::engine::{Folder, gate, header, modelled, named, small_space};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Connect<'a> = &'a mut dyn FnMut() -> Result<Box<dyn Device>, DeviceError>;

/// Starts the journal at `path`, or goes on with it; sets `interrupt` at the `stop`-th progress report.
fn run(
    space: &Space,
    header: Header,
    path: &Path,
    stop: Option<usize>,
    connect: Connect<'_>,
) -> Result<bool, EngineError> {
    let (recorded, writer) = if path.exists() {
        let (recovered, writer) = Writer::resume(path)?;
        (recovered.events, writer)
    } else {
        (Vec::new(), Writer::create(path)?)
    };
    let interrupt = Arc::new(AtomicBool::new(false));
    let mut recorder = Recorder::new(recorded, Some(writer), Arc::clone(&interrupt));
    let measurement = Measurement { space, header, gate: gate(false), deadline: None };
    let mut reports = 0;
    measure(&measurement, &mut recorder, connect, &mut |_| {
        reports += 1;
        if stop.is_some_and(|stop| reports >= stop) {
            interrupt.store(true, Ordering::Relaxed);
        }
    })
}

/// The bytes of an uninterrupted measurement.
fn uninterrupted(space: &Space, header: Header) -> Vec<u8> {
    let folder = Folder::default();
    let path = folder.file("journal");
    run(space, header, &path, None, &mut named("quiet")).unwrap();
    std::fs::read(path).unwrap()
}

/// Cuts a journal of `whole` after `cut` bytes and goes on.
fn cut_and_resumed(space: &Space, header: Header, whole: &[u8], cut: usize) -> Result<Vec<u8>, EngineError> {
    let folder = Folder::default();
    let path = folder.file("journal");
    std::fs::write(&path, &whole[..cut]).unwrap();
    run(space, header, &path, None, &mut named("quiet"))?;
    Ok(std::fs::read(path).unwrap())
}

#[test]
fn resumed_after_any_line_or_byte_the_journal_is_the_uninterrupted_one() {
    let space = small_space();
    for mode in [Mode::InContext, Mode::Isolated, Mode::Whole] {
        let header = header(&space, mode, 1);
        let whole = uninterrupted(&space, header.clone());
        assert!(matches!(read(&whole).unwrap().events.last(), Some(Event::Complete)));
        let ends: Vec<usize> = (0..whole.len()).filter(|&i| whole[i] == b'\n').map(|i| i + 1).collect();
        assert!(ends.len() > 200, "{} lines are too few to be worth cutting", ends.len());
        // Every 97th line, and the first ones and the last: there sit the header, the trials and the end.
        let mut cuts: Vec<usize> = ends.iter().copied().step_by(97).collect();
        cuts.extend(&ends[..5]);
        cuts.extend(&ends[ends.len() - 5..]);
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        cuts.extend((0..12).map(|_| rng.random_range(ends[0]..whole.len())));
        for cut in cuts {
            let resumed = cut_and_resumed(&space, header.clone(), &whole, cut).unwrap();
            assert!(resumed == whole, "{mode:?}: the journal cut at byte {cut} ends differently");
        }
        // Control: the comparison tells two measurements apart.
        let other = uninterrupted(&space, Header { seed: 2, ..header });
        assert!(other != whole);
    }
}

#[test]
fn cut_inside_the_header_nothing_was_measured() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 1);
    let whole = uninterrupted(&space, header.clone());
    for cut in [0, 1, 40] {
        assert!(cut_and_resumed(&space, header.clone(), &whole, cut).unwrap() == whole, "cut at {cut}");
    }
}

#[test]
fn interrupted_again_and_again_it_still_ends_the_same() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 3);
    let whole = uninterrupted(&space, header.clone());
    let folder = Folder::default();
    let path = folder.file("journal");
    let mut lines = 0;
    for stop in (1..).step_by(23) {
        let result = run(&space, header.clone(), &path, Some(stop), &mut named("quiet"));
        match result {
            Err(EngineError::Interrupted) => {
                let recorded = read_file(&path).unwrap();
                assert!(recorded.events.len() >= lines && recorded.torn_line.is_none());
                lines = recorded.events.len();
            }
            Ok(_) => break,
            Err(other) => panic!("{other}"),
        }
        assert!(stop < 10_000, "it never ends");
    }
    assert!(lines > 100, "it was hardly interrupted");
    assert!(std::fs::read(path).unwrap() == whole);
}

#[test]
fn a_complete_journal_is_replayed_without_a_new_line() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 1);
    let whole = uninterrupted(&space, header.clone());
    assert_eq!(cut_and_resumed(&space, header, &whole, whole.len()).unwrap(), whole);
}

#[test]
fn another_request_is_refused() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 1);
    let whole = uninterrupted(&space, header.clone());
    let others = [
        Header { ci: 0.01, ..header.clone() },
        Header { seed: 2, ..header.clone() },
        Header { sessions: 3, ..header.clone() },
        Header { mode: Mode::Isolated, ..header.clone() },
    ];
    for other in others {
        let error = cut_and_resumed(&space, other, &whole, whole.len() / 2).unwrap_err();
        assert!(matches!(error, EngineError::Replay(_)), "{error}");
    }
    // Control: the same request goes on.
    cut_and_resumed(&space, header, &whole, whole.len() / 2).unwrap();
}

/// A machine that became busy in the middle is no dead end: that it is measured all the same can be asked for then.
#[test]
fn a_busy_machine_can_be_allowed_later() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 1);
    let whole = uninterrupted(&space, header.clone());
    let allowed = Header { allow_noisy: true, ..header };
    assert_eq!(cut_and_resumed(&space, allowed, &whole, whole.len() / 2).unwrap(), whole);
}

/// Devices of which each further one is another machine.
fn changing() -> impl FnMut() -> Result<Box<dyn Device>, DeviceError> {
    let mut count = 0;
    move || {
        count += 1;
        modelled(&format!("machine {count}"), Model::named("quiet").unwrap())()
    }
}

#[test]
fn another_machine_in_a_later_session_is_a_changed_context() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 1);
    let folder = Folder::default();
    let path = folder.file("journal");
    let error = run(&space, header.clone(), &path, None, &mut changing()).unwrap_err();
    assert!(matches!(&error, EngineError::ContextChanged(what) if what.contains("processor")), "{error}");
    // Control: with one session (and none of anchors, which isolated layers do not have) there is nothing to differ from.
    let one = Header { sessions: 1, mode: Mode::Isolated, ..header };
    run(&space, one, &folder.file("one"), None, &mut changing()).unwrap();
}

#[test]
fn another_machine_at_resumption_is_refused_and_nothing_is_written() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 1);
    let whole = uninterrupted(&space, header.clone());
    let recorded = read(&whole).unwrap().events;
    let folder = Folder::default();
    let ends: Vec<usize> = (0..whole.len()).filter(|&i| whole[i] == b'\n').map(|i| i + 1).collect();
    let starts: Vec<usize> = (0..recorded.len()).filter(|&i| matches!(recorded[i], Event::Session { .. })).collect();
    // Two that time the layers, three of the anchors alone.
    assert_eq!(starts.len(), 5);
    let mut refused = Vec::new();
    // In the middle of the first session, just before the second, and in the middle of the second.
    for line in [starts[0] + 50, starts[1] - 1, starts[1] + 50] {
        let path = folder.file(&format!("journal-{line}"));
        std::fs::write(&path, &whole[..ends[line]]).unwrap();
        let error = run(&space, header.clone(), &path, None, &mut named("noisy")).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), whole[..ends[line]]);
        refused.push(matches!(error, EngineError::ContextChanged(_)));
    }
    assert_eq!(refused, [true, true, true]);
}

/// A device in real time: what it has answered is not asked again.
struct RealTime(SyntheticDevice);

impl Device for RealTime {
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        Ok(Fingerprint { virtual_time: false, ..self.0.configure(setup)? })
    }

    fn load(&mut self, workload: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        self.0.load(workload, graph)
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        self.0.visit(request)
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        self.0.canary()
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        self.0.probe()
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        self.0.memory(graph)
    }
}

fn real(name: &str) -> impl FnMut() -> Result<Box<dyn Device>, DeviceError> + use<'_> {
    move || Ok(Box::new(RealTime(SyntheticDevice::named(name).unwrap())) as Box<dyn Device>)
}

#[test]
fn in_real_time_the_past_is_kept_and_the_new_process_is_marked() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 1);
    let folder = Folder::default();
    let path = folder.file("journal");
    run(&space, header.clone(), &path, None, &mut real("quiet")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let recorded = read(&whole).unwrap().events;
    let ends: Vec<usize> = (0..whole.len()).filter(|&i| whole[i] == b'\n').map(|i| i + 1).collect();
    // What the engine concludes from recorded observations, it adds without a device.
    let is_observed = |line: &usize| !matches!(recorded[*line + 1], Event::WarmedUp { .. });
    for line in (10..ends.len() - 1).step_by(61).filter(is_observed) {
        let before = &whole[..ends[line]];
        std::fs::write(&path, before).unwrap();
        if recorded[..=line].iter().any(|event| matches!(event, Event::Session { .. })) {
            let inside = !matches!(recorded[line], Event::SessionEnd { .. });
            if inside {
                let error = run(&space, header.clone(), &path, None, &mut real("noisy")).unwrap_err();
                assert!(matches!(error, EngineError::ContextChanged(_)), "{error}");
                assert_eq!(std::fs::read(&path).unwrap(), before);
            }
            run(&space, header.clone(), &path, None, &mut real("quiet")).unwrap();
            let events = read_file(&path).unwrap().events;
            assert_eq!(matches!(events[line + 1], Event::Resumed), inside, "line {line}");
        } else {
            run(&space, header.clone(), &path, None, &mut real("quiet")).unwrap();
        }
        assert!(std::fs::read(&path).unwrap().starts_with(before));
        assert!(matches!(read_file(&path).unwrap().events.last(), Some(Event::Complete)));
        // What came of it is itself replayed without a device.
        let finished = std::fs::read(&path).unwrap();
        run(&space, header.clone(), &path, None, &mut || Err(DeviceError::Lost("gone".to_owned()))).unwrap();
        assert!(std::fs::read(&path).unwrap() == finished);
    }
}

/// A network that did not load is not tried again, whether the measurement was interrupted before or after.
#[test]
fn a_network_that_did_not_load_stays_left_out() {
    let space = small_space();
    let header = header(&space, Mode::InContext, 1);
    let refused = |events: &[Event]| -> Vec<usize> {
        (0..events.len()).filter(|&i| matches!(events[i], Event::Refused { .. })).collect()
    };
    let planned = read(&uninterrupted(&space, header.clone())).unwrap().events;
    let planned = planned.iter().filter(|event| matches!(event, Event::Workload { .. })).count();
    let model = Model { networks: Some(planned - 2), ..Model::named("quiet").unwrap() };
    for is_real in [false, true] {
        let mut connect = || -> Result<Box<dyn Device>, DeviceError> {
            let device = SyntheticDevice::new("little", model);
            Ok(if is_real { Box::new(RealTime(device)) } else { Box::new(device) })
        };
        let folder = Folder::default();
        let path = folder.file("journal");
        run(&space, header.clone(), &path, None, &mut connect).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let places = refused(&read(&whole).unwrap().events);
        assert_eq!(places.len(), 2, "of all sessions");
        let ends: Vec<usize> = (0..whole.len()).filter(|&i| whole[i] == b'\n').map(|i| i + 1).collect();
        for line in [places[0] - 1, places[0], places[1], places[1] + 30, ends.len() - 2] {
            std::fs::write(&path, &whole[..ends[line]]).unwrap();
            run(&space, header.clone(), &path, None, &mut connect).unwrap();
            let events = read_file(&path).unwrap().events;
            assert_eq!(refused(&events).len(), 2, "line {line}");
            assert!(matches!(events.last(), Some(Event::Complete)));
            if !is_real {
                assert!(std::fs::read(&path).unwrap() == whole, "line {line}");
            }
        }
    }
}
