//! The agent protocol, both ways.

use std::path::Path;

use nasprof_graph::runtime::Runtime;
use nasprof_profiler::protocol::{Allocator, Device, Reply, Request, Setup, VisitRequest};
use nasprof_agent::serve::serve;
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
    if serve(&input[..], &mut output, vec!["synthetic:quiet".to_owned()], root, open).is_ok() {
        for line in output.split_inclusive(|&b| b == b'\n') {
            let reply: Reply = serde_json::from_slice(line).expect("a reply is read by the host");
            drop(reply);
        }
    }
}

fn has_commands(line: &[u8]) -> bool {
    match serde_json::from_slice::<Request>(line) {
        Ok(Request::Configure(setup)) => setup.clocks.is_some(),
        Ok(Request::Clocks { .. } | Request::RestoreClocks { .. }) => true,
        _ => false,
    }
}

/// Lines from an agent.
pub(super) fn replies(data: &[u8]) {
    let mut input = data;
    while let Ok(Some(line)) = nasprof_profiler::protocol::read_line(&mut input) {
        let Ok(reply) = serde_json::from_str::<Reply>(&line) else { continue };
        let text = serde_json::to_string(&reply).expect("a reply is written");
        // Numbers that are none (NaN) do not come from JSON.
        assert_eq!(serde_json::from_str::<Reply>(&text).expect("a written reply is read"), reply);
    }
}

fn conversation() -> Vec<Request> {
    let space = measured::space();
    let arch = space.sample(&mut rand_chacha::ChaCha8Rng::seed_from_u64(0));
    let graph = Runtime::TorchEager.subnet(&space.graph, &arch).expect("an architecture of the space is selected");
    let setup = Setup {
        backend: "synthetic:quiet".to_owned(),
        threads: 1,
        cores: Vec::new(),
        allocator: Allocator::Retain,
        seed: 0,
        session: 0,
        clocks: None,
        clock_copy: String::new(),
    };
    let visit = VisitRequest { sequence: 0, unit: 0, warm_up_runs: 1, layer_runs: 2, whole_runs: 2, repeat: 1 };
    vec![
        Request::Configure(setup),
        Request::Memory { graph: graph.clone() },
        Request::Load { unit: 0, graph: graph.clone() },
        Request::Visit(visit),
        Request::Canary,
        Request::PassTime { nanoseconds: 1000 },
        Request::Probe,
        Request::Energy { graph },
        Request::Bye,
    ]
}

pub(super) fn request_seeds() -> Vec<Vec<u8>> {
    let lines = conversation().iter().map(|r| serde_json::to_string(r).expect("a request is written") + "\n").collect::<String>();
    vec![lines.into_bytes()]
}

pub(super) fn reply_seeds() -> Vec<Vec<u8>> {
    let mut output = Vec::new();
    let open = |_: &str| SyntheticDevice::named("quiet").map(|device| Box::new(device) as Box<dyn Device>);
    let input = request_seeds().concat();
    serve(&input[..], &mut output, Vec::new(), Path::new("/nonexistent"), open).expect("memory does not fail");
    vec![output]
}
