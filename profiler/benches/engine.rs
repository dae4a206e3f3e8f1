//! The engine's own cost for each visit: scheduling, recording and evaluation, on a noiseless device in virtual time.
//! A visit to a real device lasts 5 to 20 ms; the engine's part must stay far below one percent.
//!
//! `session` runs some rounds without a journal, `journalled` with a file, `device` is the simulated device's own part
//! of both, and `convergence` the stop rule after the last round.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nasprof_graph::runtime::Runtime;
use nasprof_profiler::engine::{Gate, Recorder, SessionPlan, SessionValues, Workload, keys_of_space, run_session};
use nasprof_profiler::journal::{Event, Mode, Writer};
use nasprof_profiler::protocol::{Allocator, Device, Layout, Precision, Setup, VisitRequest};
use nasprof_profiler::synthetic::{Model, SyntheticDevice};
use nasprof_spaces::SpaceSpec;
use nasprof_testkit::engine::planned;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const ROUNDS: u32 = 40;

/// Networks of a small mobilenet space.
fn workloads() -> Vec<Workload> {
    let text = "format_version = 1\nkind = \"mobilenet\"\ninput = [3, 32, 32]\nnum_classes = 10\nwidth_mult = 0.5\n\
                settings = [[24, 2, 1], [32, 3, 2]]\ncandidates = [\"MB3 3x3\", \"MB6 5x5\"]\nskip_connect = false\n";
    let space = SpaceSpec::parse(text).unwrap().build("bench").unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let keys = keys_of_space(&space, Runtime::TorchEager, &mut rng).unwrap();
    planned(&space, Runtime::TorchEager, &keys, &mut rng)
}

fn plan(workloads: &[Workload]) -> SessionPlan {
    SessionPlan {
        workloads: workloads.to_vec(),
        mode: Mode::InContext,
        ci: 0.02,
        own_times: false,
        timing: None,
        leaves_out: false,
        sessions: 1,
        min_rounds: ROUNDS,
        max_rounds: ROUNDS,
        gate: Gate { patience: Duration::ZERO, allow_noisy: true },
        deadline: None,
        setup: Setup {
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
        },
        expected: None,
    }
}

fn session(plan: &SessionPlan, writer: Option<Writer>) -> Recorder {
    let mut recorder = Recorder::new(Vec::new(), writer, Arc::new(AtomicBool::new(false)));
    let mut connect = || Ok(Box::new(SyntheticDevice::new("bench", Model::default())) as Box<dyn Device>);
    run_session(plan, &mut recorder, &mut connect, &mut |_| ()).unwrap();
    recorder
}

fn create(path: &Path) -> Writer {
    std::fs::remove_file(path).ok();
    Writer::create(path).unwrap()
}

fn engine(criterion: &mut Criterion) {
    let workloads = workloads();
    let plan = plan(&workloads);
    let recorder = session(&plan, None);
    let requests: Vec<VisitRequest> = recorder
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Visit { visit, .. } => Some(VisitRequest {
                sequence: visit.sequence,
                workload: visit.workload,
                warm_up_runs: 3,
                layer_runs: visit.layers.len() as u32,
                whole_runs: visit.whole.len() as u32,
                repeat: 1,
                timings: Vec::new(),
            }),
            _ => None,
        })
        .collect();
    let mut group = criterion.benchmark_group("visits");
    group.sample_size(10).throughput(Throughput::Elements(requests.len() as u64));
    group.bench_function("device", |bencher| {
        let mut device = SyntheticDevice::new("bench", Model::default());
        device.configure(&plan.setup).unwrap();
        for workload in &workloads {
            device.load(workload.id, &workload.network).unwrap();
        }
        bencher.iter(|| requests.iter().for_each(|request| drop(black_box(device.visit(request).unwrap()))));
    });
    group.bench_function("session", |bencher| bencher.iter(|| session(black_box(&plan), None)));
    let path = std::env::temp_dir().join(format!("nasprof-bench-{}.journal", std::process::id()));
    group.bench_function("journalled", |bencher| {
        bencher.iter(|| session(black_box(&plan), Some(create(&path))));
    });
    group.finish();
    std::fs::remove_file(path).ok();
}

fn convergence(criterion: &mut Criterion) {
    let workloads = workloads();
    let recorder = session(&plan(&workloads), None);
    let mut values = SessionValues::default();
    let mut round = Vec::new();
    for event in recorder.events() {
        match event {
            Event::Visit { visit, .. } => round.push((&workloads[visit.workload as usize], visit, 1)),
            Event::Round { .. } => values.add_round(round.drain(..)),
            _ => {}
        }
    }
    let keys: Vec<_> = values.levelled().values.keys().cloned().collect();
    let mut group = criterion.benchmark_group("stop rule");
    group.throughput(Throughput::Elements(keys.len() as u64));
    group
        .bench_function("convergence", |bencher| bencher.iter(|| black_box(&values).levelled().converged(&keys, 0.02)));
    group.finish();
}

criterion_group!(benches, engine, convergence);
criterion_main!(benches);
