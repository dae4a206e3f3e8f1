//! Promise: the agent answers every request line with one reply line and goes on, whatever the request: garbage, the
//! wrong order, graphs that are wrong or hostile. Only a line without an end, or one that is not text, ends it, with an
//! error. It never panics.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use nasprof_agent::serve::serve;
use nasprof_graph::Graph;
use nasprof_profiler::protocol::numbered::Numbered;
use nasprof_profiler::protocol::{
    Canary, Device, DeviceError, Fingerprint, Loaded, MAX_LINE_BYTES, Memory, PROTOCOL_VERSION, Probes, Reply, Request,
    Setup, Visit, VisitRequest,
};
use nasprof_profiler::synthetic::SyntheticDevice;
use nasprof_testkit::engine::{layers, setup, small_space};
use proptest::prelude::*;
use serde_json::Value;

fn open(backend: &str) -> Result<Box<dyn Device>, String> {
    let name = backend.strip_prefix("synthetic:").ok_or_else(|| format!("no back end `{backend}`"))?;
    Ok(Box::new(SyntheticDevice::named(name)?))
}

fn try_talk(input: impl Read, open: impl Fn(&str) -> Result<Box<dyn Device>, String>) -> (io::Result<()>, Vec<Reply>) {
    let mut output = Vec::new();
    let result = serve(BufReader::new(input), &mut output, vec!["synthetic".to_owned()], Path::new("/absent"), open);
    let replies = String::from_utf8(output).unwrap();
    let mut lines = replies.lines();
    let greeting = lines.next().map(|line| serde_json::from_str(line).unwrap());
    let numbered = lines.map(|line| serde_json::from_str::<Numbered<Reply>>(line).unwrap().message);
    (result, greeting.into_iter().chain(numbered).collect())
}

/// Replies to the lines, without the greeting.
fn talk(lines: &[String]) -> Vec<Reply> {
    let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    let (result, mut replies) = try_talk(text.as_bytes(), open);
    result.unwrap();
    assert!(matches!(replies.remove(0), Reply::Hello(hello) if hello.protocol == PROTOCOL_VERSION));
    replies
}

fn line(request: &Request) -> String {
    serde_json::to_string(&Numbered { id: 1, message: request }).unwrap()
}

fn configure() -> String {
    line(&Request::Configure(setup(1, 0)))
}

fn graph() -> Graph {
    let space = small_space();
    let arch = nasprof_graph::Arch(vec![0; space.choices.len()]);
    nasprof_graph::runtime::Runtime::TorchEager.subnet(&space.graph, &arch).unwrap().into_graph()
}

fn load(workload: u32) -> String {
    line(&Request::Load { workload, graph: graph() })
}

fn visit(workload: u32) -> String {
    line(&Request::Visit(VisitRequest {
        sequence: 9,
        workload,
        warm_up_runs: 1,
        layer_runs: 2,
        whole_runs: 3,
        repeat: 1,
        timings: Vec::new(),
    }))
}

fn failed(reply: &Reply) -> bool {
    matches!(reply, Reply::Failed { error } if !error.is_empty())
}

/// Control of all that follows: requests in order are carried out.
#[test]
fn requests_in_order_are_carried_out() {
    let memory = line(&Request::Memory { graph: graph() });
    let lines =
        [configure(), load(0), visit(0), line(&Request::Canary), line(&Request::Probe), memory, line(&Request::Bye)];
    let replies = talk(&lines);
    assert!(matches!(
        &replies[..],
        [
            Reply::Configured(_),
            Reply::Loaded(_),
            Reply::Visited(_),
            Reply::Canary(_),
            Reply::Probes(_),
            Reply::Memory(_),
            Reply::Bye
        ]
    ));
    let Reply::Visited(visit) = &replies[2] else { unreachable!() };
    assert_eq!((visit.sequence, visit.layers.len(), visit.whole.len()), (9, 2, 3));
}

#[test]
fn garbage_lines_are_answered_and_the_agent_goes_on() {
    let deep = "[".repeat(100_000);
    let garbage = [
        "",
        " ",
        "{",
        "}",
        "null",
        "0",
        "[]",
        "\"canary\"",
        "\0\0\0",
        &deep,
        "{\"id\":1,\"request\":\"cana\"}",
        "{\"id\":1,\"request\":\"canary\"} {\"id\":1,\"request\":\"canary\"}",
        "{\"id\":1,\"request\":null}",
        "{\"id\":1,\"request\":\"visit\"}",
        "{\"id\":1,\"request\":\"visit\",\"sequence\":-1,\"unit\":0,\"warm_up_runs\":1,\"layer_runs\":1,\"whole_runs\":1,\"repeat\":1}",
        "{\"id\":1,\"request\":\"visit\",\"sequence\":0,\"unit\":0,\"warm_up_runs\":1,\"layer_runs\":1,\"whole_runs\":1,\"repeat\":4294967296}",
        "{\"id\":1,\"request\":\"visit\",\"sequence\":0,\"unit\":0,\"warm_up_runs\":1,\"layer_runs\":1,\"whole_runs\":1,\"repeat\":1,\"more\":1}",
    ];
    for text in garbage {
        let replies = talk(&[configure(), text.to_owned(), line(&Request::Canary)]);
        assert_eq!(replies.len(), 3, "{text:.50}");
        assert!(failed(&replies[1]), "{text:.50}: {:?}", replies[1]);
        assert!(matches!(replies[2], Reply::Canary(_)), "{text:.50}");
    }
}

/// The number of every reply to the lines, without the greeting.
fn numbers(lines: &[String]) -> Vec<u64> {
    let (text, mut output) = (lines.join("\n") + "\n", Vec::new());
    serve(text.as_bytes(), &mut output, Vec::new(), Path::new("/absent"), open).unwrap();
    let replies = String::from_utf8(output).unwrap();
    replies.lines().skip(1).map(|line| serde_json::from_str::<Numbered<Reply>>(line).unwrap().id).collect()
}

#[test]
fn every_reply_has_the_number_of_its_request() {
    let numbered = |id: u64, request: Request| serde_json::to_string(&Numbered { id, message: request }).unwrap();
    let lines = [
        numbered(7, Request::Configure(setup(1, 0))),
        numbered(9, Request::Load { workload: 0, graph: graph() }),
        numbered(3, Request::Canary),
        numbered(3, Request::Memory { graph: graph() }),
        "{\"id\":11,\"request\":\"dance\"}".to_owned(),
        "{\"request\":\"canary\"}".to_owned(),
        "garbage".to_owned(),
        numbered(u64::MAX, Request::Bye),
    ];
    assert_eq!(numbers(&lines), [7, 9, 3, 3, 11, 0, 0, u64::MAX]);
}

#[test]
fn requests_in_the_wrong_order_are_refused() {
    for early in
        [load(0), visit(0), line(&Request::Canary), line(&Request::Probe), line(&Request::Memory { graph: graph() })]
    {
        let replies = talk(&[early, configure()]);
        assert!(failed(&replies[0]));
        assert!(matches!(replies[1], Reply::Configured(_)));
    }
    let replies = talk(&[configure(), visit(0), load(0), visit(0), visit(1)]);
    assert!(failed(&replies[1]) && failed(&replies[4]));
    assert!(matches!(replies[3], Reply::Visited(_)));
    // Nothing is answered behind the farewell.
    assert_eq!(talk(&[line(&Request::Bye), configure()]), [Reply::Bye]);
}

/// Cores and memory behaviour hold for a process's life: a second set-up would leave part of the first.
#[test]
fn a_second_set_up_is_refused_and_changes_nothing() {
    let replies = talk(&[configure(), load(0), configure(), visit(0)]);
    assert!(failed(&replies[2]));
    assert!(matches!(replies[3], Reply::Visited(_)));
}

#[test]
fn unknown_back_ends_are_refused_and_another_may_follow() {
    let mut other = setup(1, 0);
    for backend in ["synthetic:quite", "torch", ""] {
        other.backend = backend.to_owned();
        let replies = talk(&[line(&Request::Configure(other.clone())), line(&Request::Canary), configure()]);
        assert!(failed(&replies[0]) && failed(&replies[1]));
        assert!(matches!(replies[2], Reply::Configured(_)));
    }
}

/// A device that cannot be set up and would panic if it were used all the same.
struct Unusable;

impl Device for Unusable {
    fn configure(&mut self, _: &Setup) -> Result<Fingerprint, DeviceError> {
        Err(DeviceError::Refused("there is no core 99".to_owned()))
    }

    fn load(&mut self, _: u32, _: &Graph) -> Result<Loaded, DeviceError> {
        unreachable!()
    }

    fn visit(&mut self, _: &VisitRequest) -> Result<Visit, DeviceError> {
        unreachable!()
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        unreachable!()
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        unreachable!()
    }

    fn memory(&mut self, _: &Graph) -> Result<Memory, DeviceError> {
        unreachable!()
    }
}

#[test]
fn nothing_runs_on_a_device_whose_set_up_failed() {
    let text = format!("{}\n{}\n{}\n{}\n", configure(), line(&Request::Canary), load(0), line(&Request::Probe));
    let (result, replies) = try_talk(text.as_bytes(), |_| Ok(Box::new(Unusable)));
    result.unwrap();
    assert_eq!(replies.len(), 5);
    assert!(replies[1..].iter().all(failed));
    assert!(matches!(&replies[1], Reply::Failed { error } if error.contains("no core 99")));
}

/// Endless bytes without a line end; counts how many were taken.
struct Endless(Rc<Cell<usize>>);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(b'[');
        self.0.set(self.0.get() + buffer.len());
        Ok(buffer.len())
    }
}

#[test]
fn a_line_without_an_end_ends_the_agent_and_not_its_memory() {
    let taken = Rc::new(Cell::new(0));
    let (result, replies) = try_talk(Endless(Rc::clone(&taken)), open);
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(replies.len(), 1);
    assert!(taken.get() <= MAX_LINE_BYTES + (1 << 20));
    // Control: a line of just the allowed length is only refused as garbage.
    let mut longest = vec![b' '; MAX_LINE_BYTES - 1];
    longest.push(b'\n');
    let (result, replies) = try_talk(&longest[..], open);
    result.unwrap();
    assert!(failed(&replies[1]));
}

#[test]
fn bytes_that_are_not_text_end_the_agent_with_an_error() {
    let (result, replies) = try_talk(&b"\xff\xfe\n"[..], open);
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(replies.len(), 1);
}

#[test]
fn a_reply_that_cannot_be_written_ends_the_agent_with_an_error() {
    if !Path::new("/dev/full").exists() {
        nasprof_testkit::skip::skip("this machine has no /dev/full");
        return;
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let result = serve(configure().as_bytes(), full, Vec::new(), Path::new("/absent"), open);
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull);
}

/// All places in a value where a number, a text or a list stands.
fn places(value: &Value, path: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, v)| places(v, &format!("{path}/{name}"), into)),
        Value::Array(items) => {
            into.push(path.to_owned());
            items.iter().enumerate().for_each(|(i, v)| places(v, &format!("{path}/{i}"), into));
        }
        _ => into.push(path.to_owned()),
    }
}

fn hostile_values() -> Vec<Value> {
    let mut values: Vec<Value> =
        ["null", "-1", "1e308", "[]", "[[]]", "{}", "\"\"", "\"conv\"", "[0, 0]", "[0]", "true"]
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect();
    values.extend(
        [0, 1, 2, 7, 1 << 20, u64::from(u32::MAX), 1 << 40, 1 << 62, i64::MAX as u64, u64::MAX].map(Value::from),
    );
    values
}

/// Loads and measures a changed graph: it is refused, or it runs and says something.
fn withstand(graph: &Value) -> bool {
    let load = serde_json::json!({"id": 1, "request": "load", "unit": 0, "graph": graph}).to_string();
    let memory = serde_json::json!({"id": 2, "request": "memory", "graph": graph}).to_string();
    let replies = talk(&[configure(), load, memory, visit(0), line(&Request::Probe)]);
    assert_eq!(replies.len(), 5);
    assert!(matches!(replies[4], Reply::Probes(_)));
    assert_eq!(failed(&replies[1]), failed(&replies[2]), "{graph}");
    assert_eq!(failed(&replies[1]), failed(&replies[3]), "{graph}");
    failed(&replies[1])
}

#[test]
fn layers_with_any_one_value_replaced_are_withstood() {
    let (mut refused, mut run) = (0, 0);
    for workload in layers(&small_space()) {
        let graph = serde_json::to_value(workload.network.graph()).unwrap();
        let mut all = Vec::new();
        places(&graph, "", &mut all);
        // Control: unchanged it runs.
        assert!(!withstand(&graph), "{}", workload.whole_key());
        for place in &all {
            for value in hostile_values() {
                let mut changed = graph.clone();
                *changed.pointer_mut(place).unwrap() = value;
                *(if withstand(&changed) { &mut refused } else { &mut run }) += 1;
            }
        }
    }
    assert!(refused > 1000 && run > 10, "{refused} refused, {run} run");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn graphs_with_several_values_replaced_are_withstood(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..5),
    ) {
        let mut graph = serde_json::to_value(graph()).unwrap();
        for (place, value) in edits {
            let mut all = Vec::new();
            places(&graph, "", &mut all);
            *graph.pointer_mut(&all[place.index(all.len())]).unwrap() = {
                let values = hostile_values();
                values[value.index(values.len())].clone()
            };
            if !graph.is_object() {
                break;
            }
        }
        withstand(&graph);
    }

    #[test]
    fn random_lines_never_panic(lines in prop::collection::vec("[ -~]{0,80}", 0..10)) {
        prop_assert!(talk(&lines).len() == lines.len());
    }
}

/// A device that is lost when it is asked for a canary.
struct LosesItself;

impl Device for LosesItself {
    fn configure(&mut self, setup: &Setup) -> Result<Fingerprint, DeviceError> {
        SyntheticDevice::named("quiet").map_err(DeviceError::Refused)?.configure(setup)
    }

    fn load(&mut self, _: u32, _: &Graph) -> Result<Loaded, DeviceError> {
        Err(DeviceError::Refused("out of memory".to_owned()))
    }

    fn visit(&mut self, _: &VisitRequest) -> Result<Visit, DeviceError> {
        unreachable!()
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        Err(DeviceError::Lost("the GPU fell off the bus".to_owned()))
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        unreachable!()
    }

    fn memory(&mut self, _: &Graph) -> Result<Memory, DeviceError> {
        unreachable!()
    }
}

/// The host takes the end of the agent for the loss of the device; an answer would blame what was asked for.
#[test]
fn a_lost_device_ends_the_agent_with_the_reason() {
    let lines = [configure(), load(0), line(&Request::Canary), line(&Request::Probe)];
    let (text, mut output) = (lines.join("\n") + "\n", Vec::new());
    let open = |_: &str| Ok(Box::new(LosesItself) as Box<dyn Device>);
    let error = serve(text.as_bytes(), &mut output, Vec::new(), Path::new("/absent"), open).unwrap_err();
    assert!(error.to_string().contains("fell off the bus"), "{error}");
    // The greeting and two answers: what is refused is answered (the control), what is lost is not.
    let replies = String::from_utf8(output).unwrap();
    assert_eq!(replies.lines().count(), 3, "{replies}");
    assert!(replies.lines().last().unwrap().contains("out of memory"));
}
