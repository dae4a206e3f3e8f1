//! The agent protocol, both ways.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::OnceLock;

use nasprof_agent::serve::serve;
use nasprof_graph::Graph;
use nasprof_graph::runtime::Runtime;
use nasprof_profiler::protocol::checked::Checked;
use nasprof_profiler::protocol::numbered::Numbered;
use nasprof_profiler::protocol::{
    Allocator, Canary, Device, DeviceError, Energy, Fingerprint, Layout, Loaded, Memory, Precision, Probes, Reply,
    Request, Setup, Visit, VisitRequest, read_line,
};
use nasprof_profiler::synthetic::SyntheticDevice;
use rand::SeedableRng;

use super::measured;

/// Lines to an agent with a synthetic device; it must answer each, and go on.
pub(super) fn requests(data: &[u8]) {
    // Requests about clocks name shell commands, which an agent is there to run: not here.
    let lines: Vec<&[u8]> = data.split_inclusive(|&b| b == b'\n').filter(|line| !has_commands(line)).collect();
    let open = |backend: &str| {
        let name = backend.strip_prefix("synthetic:").ok_or("no back end")?;
        SyntheticDevice::named(name).map(|device| Box::new(device) as Box<dyn Device>)
    };
    let mut output = Vec::new();
    let root = Path::new("/nonexistent");
    let input = lines.concat();
    if serve(&input[..], &mut output, vec!["synthetic:quiet".to_owned()], root, open).is_err() {
        return;
    }
    let mut replies = output.split_inclusive(|&b| b == b'\n');
    let greeting = replies.next().expect("an agent greets");
    assert!(matches!(serde_json::from_slice(greeting), Ok(Reply::Hello(_))));
    for line in replies {
        let reply: Numbered<Reply> = serde_json::from_slice(line).expect("a reply is read by the host");
        drop(reply);
    }
}

fn has_commands(line: &[u8]) -> bool {
    match serde_json::from_slice::<Numbered<Request>>(line).map(|request| request.message) {
        Ok(Request::Configure(setup)) => setup.clocks.is_some(),
        Ok(Request::Clocks { .. } | Request::RestoreClocks { .. }) => true,
        _ => false,
    }
}

/// Lines from an agent: the host asks for one thing after the other, and takes no answer that cannot be true.
pub(super) fn replies(data: &[u8]) {
    let mut input = data;
    let mut answers = VecDeque::new();
    while let Ok(Some(line)) = read_line(&mut input) {
        let Ok(Numbered { message, id }) = serde_json::from_str::<Numbered<Reply>>(&line) else { continue };
        let text = serde_json::to_string(&Numbered { id, message: &message }).expect("a reply is written");
        let again: Numbered<Reply> = serde_json::from_str(&text).expect("a written reply is read");
        assert_eq!((again.id, &again.message), (id, &message));
        answers.push_back(message);
    }
    let mut device = Checked::new(Box::new(Scripted(answers)));
    for request in conversation() {
        match request {
            Request::Configure(setup) => drop(device.configure(setup)),
            Request::Load { workload, graph } => {
                let layers = graph.layers().count();
                if let Ok(loaded) = device.load(*workload, graph) {
                    assert!(loaded.workload == *workload && loaded.first_ns.len() == layers);
                }
            }
            Request::Visit(request) => {
                if let Ok(visit) = device.visit(request) {
                    assert!(visit.layers.len() == request.layer_runs as usize && visit.sequence == request.sequence);
                    let runs = visit.layers.iter().chain(&visit.whole);
                    assert!(runs.flat_map(|run| &run.ns).all(|&ns| (ns as f64) <= nasprof_lut::MAX_NS));
                }
            }
            Request::Canary => drop(device.canary()),
            Request::Probe => drop(device.probe()),
            Request::Memory { graph } => {
                if let Ok(memory) = device.memory(graph) {
                    // It becomes a row: within the bounds of a LUT.
                    assert!(memory.first_ns as f64 <= nasprof_lut::MAX_NS);
                    let bytes = [memory.peak_bytes, memory.stored_bytes];
                    assert!(bytes.into_iter().flatten().all(|bytes| bytes <= nasprof_lut::MAX_COUNT));
                }
            }
            Request::Energy { graph } => drop(device.energy(graph)),
            _ => {}
        }
    }
}

/// Answers with the replies of its list, each when the host asks for its kind.
struct Scripted(VecDeque<Reply>);

macro_rules! next {
    ($device:expr, $kind:ident) => {
        match $device.0.pop_front() {
            Some(Reply::$kind(answer)) => Ok(answer),
            _ => Err(DeviceError::Lost("no such reply".to_owned())),
        }
    };
}

impl Device for Scripted {
    fn configure(&mut self, _: &Setup) -> Result<Fingerprint, DeviceError> {
        next!(self, Configured)
    }

    fn load(&mut self, _: u32, _: &Graph) -> Result<Loaded, DeviceError> {
        next!(self, Loaded)
    }

    fn visit(&mut self, _: &VisitRequest) -> Result<Visit, DeviceError> {
        next!(self, Visited)
    }

    fn canary(&mut self) -> Result<Canary, DeviceError> {
        next!(self, Canary)
    }

    fn probe(&mut self) -> Result<Probes, DeviceError> {
        next!(self, Probes)
    }

    fn memory(&mut self, _: &Graph) -> Result<Memory, DeviceError> {
        next!(self, Memory)
    }

    fn energy(&mut self, _: &Graph) -> Result<Energy, DeviceError> {
        next!(self, Energy)
    }
}

/// What a host asks, in its order; made once.
fn conversation() -> &'static [Request] {
    static CONVERSATION: OnceLock<Vec<Request>> = OnceLock::new();
    CONVERSATION.get_or_init(made_conversation)
}

fn made_conversation() -> Vec<Request> {
    let space = measured::space();
    let arch = space.sample(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0));
    let network = Runtime::TorchEager.subnet(&space.graph, &arch).expect("an architecture of the space is selected");
    let graph = network.graph().clone();
    let setup = Setup {
        backend: "synthetic:quiet".to_owned(),
        threads: 1,
        cores: Vec::new(),
        allocator: Allocator::Retain,
        precision: Precision::Float32,
        layout: Layout::ChannelsFirst,
        timing: None,
        seed: 0,
        session: 0,
        clocks: None,
        clock_copy: String::new(),
    };
    let visit = VisitRequest {
        sequence: 0,
        workload: 0,
        warm_up_runs: 1,
        layer_runs: 2,
        whole_runs: 2,
        repeat: 1,
        timings: Vec::new(),
    };
    vec![
        Request::Configure(setup),
        Request::Memory { graph: graph.clone() },
        Request::Load { workload: 0, graph: graph.clone() },
        Request::Visit(visit),
        Request::Canary,
        Request::Probe,
        Request::Energy { graph },
        Request::PassTime { nanoseconds: 1000 },
        Request::Bye,
    ]
}

pub(super) fn request_seeds() -> Vec<Vec<u8>> {
    let line = |(i, message): (usize, &Request)| {
        let request = Numbered { id: i as u64 + 1, message };
        serde_json::to_string(&request).expect("a request is written") + "\n"
    };
    let lines: String = conversation().iter().enumerate().map(line).collect();
    vec![lines.into_bytes()]
}

pub(super) fn reply_seeds() -> Vec<Vec<u8>> {
    let mut output = Vec::new();
    let open = |_: &str| SyntheticDevice::named("quiet").map(|device| Box::new(device) as Box<dyn Device>);
    let input = request_seeds().concat();
    serve(&input[..], &mut output, Vec::new(), Path::new("/nonexistent"), open).expect("memory does not fail");
    vec![output]
}
