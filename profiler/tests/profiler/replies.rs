//! Promise: no answer of an agent is recorded before it is checked. One that is not to the question, has another shape, or
//! holds a number that cannot be true ends the measurement with an error that names the agent, and the journal goes on with
//! a good one, byte for byte as if nothing had happened.

use std::path::Path;

use nasprof_graph::Graph;
use nasprof_profiler::engine::{EngineError, Measurement, Recorder, measure};
use nasprof_profiler::journal::{Header, Mode, Writer};
use nasprof_profiler::protocol::checked::Checked;
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Energy, Fingerprint, Loaded, Memory, Probes, Setup, Visit, VisitRequest,
};
use nasprof_profiler::synthetic::SyntheticDevice;
use nasprof_testkit::engine::{Folder, gate, header, named, setup, small_space};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A change to one kind of reply: the place in it, and what stands there then.
#[derive(Debug, Clone)]
struct Change {
    reply: &'static str,
    place: &'static str,
    value: Value,
}

/// A device that answers with something changed.
struct Changing(SyntheticDevice, Change);

impl Changing {
    fn boxed(change: &Change) -> Box<dyn Device> {
        Box::new(Self(SyntheticDevice::named("quiet").unwrap(), change.clone()))
    }

    fn changed<T: Serialize + DeserializeOwned>(&self, reply: &str, answer: T) -> T {
        if self.1.reply != reply {
            return answer;
        }
        let mut value = serde_json::to_value(answer).unwrap();
        let (parent, key) = self.1.place.rsplit_once('/').unwrap();
        match value.pointer_mut(parent).unwrap() {
            Value::Object(fields) => drop(fields.insert(key.to_owned(), self.1.value.clone())),
            Value::Array(items) => items[key.parse::<usize>().unwrap()] = self.1.value.clone(),
            other => panic!("{other}"),
        }
        serde_json::from_value(value).unwrap()
    }
}

impl Device for Changing {
    fn name(&self) -> String {
        "of `board` (program)".to_owned()
    }

    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        let answer = self.0.configure(setup)?;
        Ok(self.changed("configured", answer))
    }

    fn load(&mut self, unit: u32, graph: &Graph) -> Result<Loaded, DeviceError> {
        let answer = self.0.load(unit, graph)?;
        Ok(self.changed("loaded", answer))
    }

    fn visit(&mut self, request: &VisitRequest) -> Result<Visit, DeviceError> {
        let answer = self.0.visit(request)?;
        // Sizing visits have no runs with timers between the layers.
        if answer.layers.is_empty() && self.1.place.starts_with("/layers/0") {
            return Ok(answer);
        }
        Ok(self.changed("visited", answer))
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        let answer = self.0.canary()?;
        Ok(self.changed("canary", answer))
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        let answer = self.0.probe()?;
        Ok(self.changed("probes", answer))
    }

    fn memory(&mut self, graph: &Graph) -> Result<Memory, DeviceError> {
        let answer = self.0.memory(graph)?;
        Ok(self.changed("memory", answer))
    }

    fn energy(&mut self, graph: &Graph) -> Result<Energy, DeviceError> {
        let answer = self.0.energy(graph)?;
        Ok(self.changed("energy", answer))
    }
}

/// Changes that make a reply wrong.
fn wrong() -> Vec<Change> {
    let huge = json!(1_u64 << 62);
    [
        ("configured", "/timer_overhead_ns", huge.clone()),
        ("configured", "/facts/processor", json!("x".repeat(1 << 17))),
        ("loaded", "/unit", json!(1_000)),
        ("loaded", "/first_ns", json!([])),
        ("loaded", "/first_ns", json!(vec![1; 1_000])),
        ("loaded", "/first_ns/0", huge.clone()),
        ("visited", "/sequence", json!(1_000_000)),
        ("visited", "/unit", json!(1_000)),
        ("visited", "/layers", json!([{"ns": [1], "switches": 0, "faults": 0}])),
        ("visited", "/layers/0/ns", json!([1])),
        ("visited", "/layers/0/ns/0", huge.clone()),
        ("visited", "/whole", json!([])),
        ("visited", "/whole/0/ns", json!([1, 1])),
        ("visited", "/whole/0/ns/0", json!(u64::MAX)),
        ("visited", "/whole/0/switches", huge.clone()),
        ("visited", "/whole/0/faults", huge.clone()),
        ("visited", "/conditions", json!({"clock_mhz": u32::MAX, "throttled": null})),
        ("visited", "/conditions", json!({"clock_mhz": null, "throttled": vec!["made up"; 20_000]})),
        ("canary", "/compute_ns", json!([])),
        ("canary", "/memory_ns", json!([])),
        ("canary", "/compute_ns", json!(vec![1_000_000; 20_000])),
        ("canary", "/compute_ns/0", huge.clone()),
        ("probes", "/values/pressure_percent", json!({"ok": 1e300})),
        ("probes", "/values/pressure_percent", json!({"bad": -1e300})),
        ("memory", "/first_ns", huge.clone()),
        ("memory", "/peak_bytes", huge.clone()),
        ("memory", "/network_bytes", huge.clone()),
        ("memory", "/stored_bytes", huge.clone()),
        ("memory", "/resolution_bytes", huge.clone()),
        ("memory", "/method", json!("x".repeat(1 << 17))),
        ("energy", "/idle_milliwatts", json!(-1.0)),
        ("energy", "/resolution_microjoules", json!(1e300)),
        ("energy", "/windows", json!([])),
        ("energy", "/windows/0/calls", json!(0)),
        ("energy", "/windows/0/calls", huge.clone()),
        ("energy", "/windows/0/nanoseconds", huge),
        ("energy", "/windows/0/microjoules", json!(-1.0)),
    ]
    .map(|(reply, place, value)| Change { reply, place, value })
    .into()
}

/// Changes to values that are odd and can be true.
fn odd() -> Vec<Change> {
    [
        ("configured", "/timer_overhead_ns", json!(1_000)),
        ("loaded", "/first_ns/0", json!(0)),
        ("visited", "/whole/0/switches", json!(1_000_000)),
        ("visited", "/conditions", json!({"clock_mhz": 5_000, "throttled": []})),
        ("probes", "/values/made_up", json!({"ok": 1e9})),
        ("memory", "/peak_bytes", json!(1_u64 << 40)),
        ("memory", "/stored_bytes", json!(null)),
        ("energy", "/windows/0/microjoules", json!(1e9)),
    ]
    .map(|(reply, place, value)| Change { reply, place, value })
    .into()
}

/// Asks a device for one answer of each kind; the first error.
fn asked(device: &mut dyn Device) -> Result<(), DeviceError> {
    let space = small_space();
    let graph = nasprof_graph::passes::select(&space.graph, &space.sample(&mut rng())).unwrap();
    let visit = VisitRequest {
        sequence: 1,
        workload: 3,
        warm_up_runs: 0,
        layer_runs: 2,
        whole_runs: 2,
        repeat: 1,
        timings: Vec::new(),
    };
    device.configure(&setup(1, 0))?;
    device.probe()?;
    device.load(3, &graph)?;
    device.canary()?;
    device.visit(&visit)?;
    device.memory(&graph)?;
    device.energy(&graph).map(drop)
}

fn rng() -> rand_chacha::ChaCha8Rng {
    rand::SeedableRng::seed_from_u64(1)
}

#[test]
fn wrong_replies_are_refused_and_odd_ones_are_not() {
    for change in wrong() {
        // A control: without the check, every one of them is taken.
        asked(&mut *Changing::boxed(&change)).unwrap();
        let error = asked(&mut Checked::new(Changing::boxed(&change))).unwrap_err();
        assert!(matches!(&error, DeviceError::Protocol(_)), "{change:?}: {error}");
        let text = error.to_string();
        assert!(text.starts_with("agent of `board` (program) broke the protocol: ") && text.len() < 200, "{text}");
    }
    for change in odd() {
        asked(&mut Checked::new(Changing::boxed(&change))).unwrap_or_else(|error| panic!("{change:?}: {error}"));
    }
}

/// Starts the journal at `path`, or goes on with it.
fn run(header: Header, path: &Path, connect: &mut dyn FnMut() -> Box<dyn Device>) -> Result<bool, EngineError> {
    let (recorded, writer) = if path.exists() {
        let (recovered, writer) = Writer::resume(path)?;
        (recovered.events, writer)
    } else {
        (Vec::new(), Writer::create(path)?)
    };
    let mut recorder = Recorder::new(recorded, Some(writer), Default::default());
    let measurement = Measurement { space: &small_space(), header, gate: gate(false), deadline: None };
    measure(&measurement, &mut recorder, &mut || Ok(connect()), &mut |_| ())
}

#[test]
fn after_a_wrong_reply_a_good_agent_goes_on_as_if_nothing_had_happened() {
    let folder = Folder::default();
    let header = Header { energy: true, ..header(&small_space(), Mode::InContext, 1) };
    let good = &mut || named("quiet")().unwrap();
    let undisturbed = folder.file("undisturbed");
    run(header.clone(), &undisturbed, good).unwrap();
    let undisturbed = std::fs::read(undisturbed).unwrap();
    for (number, change) in wrong().iter().enumerate() {
        let path = folder.file(&number.to_string());
        let error = run(header.clone(), &path, &mut || Changing::boxed(change)).unwrap_err();
        assert!(matches!(&error, EngineError::Device(DeviceError::Protocol(_))), "{change:?}: {error}");
        let before = std::fs::read(&path).unwrap();
        assert!(undisturbed.starts_with(&before) && before.len() < undisturbed.len(), "{change:?}");
        run(header.clone(), &path, good).unwrap();
        assert!(std::fs::read(&path).unwrap() == undisturbed, "{change:?}");
    }
}
