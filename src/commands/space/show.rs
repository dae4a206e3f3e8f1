//! `nasprof space show`: structure, choices, counts, and the cost of measuring the space.

use std::path::Path;

use nasprof_base::text::ms;
use nasprof_graph::arch::Choice;
use nasprof_graph::expectation::{ExpectedCost, Method, keys_that_can_run};
use nasprof_graph::outline::Module;
use nasprof_graph::runtime::Runtime;
use nasprof_lut::{Lut, read};
use nasprof_profiler::backend::is_onnx_runtime;
use nasprof_profiler::engine::{Forecast, keys_of_space};
use nasprof_spaces::Space;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::super::expected;
use super::super::table::fit;
use super::{print, print_json};
use crate::failure::Failure;
use crate::resolve::{self, at_batch};

/// Assumed speed of a device without measurements: one core of a processor that is a few years old.
const ASSUMED_MACS_PER_SECOND: f64 = 10e9;
/// Assumed fixed time of each layer.
const ASSUMED_LAYER_SECONDS: f64 = 10e-6;
/// Default number of sessions of a measurement.
const SESSIONS: u32 = 2;

struct Facts {
    space: Space,
    runtime: Runtime,
    modules: Vec<Module>,
    keys: usize,
    macs: f64,
    macs_method: Method,
    forecast: Forecast,
}

pub(super) fn run(name: &str, lut: Option<&Path>, backend: Option<&str>, as_json: bool) -> Result<(), Failure> {
    let lut = lut.map(read).transpose()?;
    let mut space = resolve::space(name)?;
    if let Some(lut) = &lut {
        let identity;
        (space, identity) = at_batch(space, lut.context.header.batch)?;
        lut.check_space(&space.name, &identity)?;
    }
    let runtime = match &lut {
        Some(lut) => lut.context.header.runtime,
        // The device's layout is unknown here; the plain one has the fewest keys.
        None if backend.is_some_and(is_onnx_runtime) => Runtime::OnnxRuntime,
        None => Runtime::TorchEager,
    };
    let facts = facts(space, runtime, lut.as_ref())?;
    if as_json { show_json(&facts, lut.as_ref()) } else { show(&facts, lut.as_ref()) }
}

fn facts(space: Space, runtime: Runtime, lut: Option<&Lut>) -> Result<Facts, Failure> {
    let keys = match keys_that_can_run(&space.graph).filter(|_| !runtime.fuses()) {
        Some(keys) => keys.len(),
        None => keys_of_space(&space, runtime, &mut ChaCha8Rng::seed_from_u64(0))?.len(),
    };
    let uniform = space.uniform_probabilities();
    let sampling = expected::SAMPLING;
    let average = |cost: Result<ExpectedCost, _>| {
        cost.and_then(|mut c| Ok((c.value(&uniform)?, c.method()))).map_err(Failure::usage)
    };
    let (macs, macs_method) = average(ExpectedCost::macs(&space.graph, Runtime::TorchEager, sampling))?;
    let seconds = match lut {
        Some(lut) => average(lut.expected_latency(&space.graph, sampling))?.0 / 1e3,
        None => macs / ASSUMED_MACS_PER_SECOND + ASSUMED_LAYER_SECONDS * layers_of_one(&space, runtime)?,
    };
    let networks = u64::try_from(space.networks()).unwrap_or(u64::MAX);
    let forecast = Forecast::new(runtime, networks, keys, SESSIONS, seconds);
    Ok(Facts { modules: space.graph.modules(), keys, macs, macs_method, forecast, runtime, space })
}

/// Layers of a drawn network.
fn layers_of_one(space: &Space, runtime: Runtime) -> Result<f64, Failure> {
    let arch = space.sample(&mut ChaCha8Rng::seed_from_u64(0));
    Ok(runtime.subnet(&space.graph, &arch)?.layers().count() as f64)
}

fn how_derived(facts: &Facts, lut: Option<&Lut>) -> String {
    let Forecast { networks, sessions, rounds: [few, many], .. } = facts.forecast;
    let speed = match lut {
        Some(_) => "the LUT's average network".to_owned(),
        None => format!(
            "assuming {:.0} G MACs/s and {:.0} us for each layer",
            ASSUMED_MACS_PER_SECOND / 1e9,
            ASSUMED_LAYER_SECONDS * 1e6
        ),
    };
    format!("{networks} networks, {sessions} sessions of {few} to {many} rounds, {speed}")
}

fn show_json(facts: &Facts, lut: Option<&Lut>) -> Result<(), Failure> {
    let space = &facts.space;
    let cost = space.graph.cost();
    let choices: Vec<_> = space.choices.iter().map(|c| json!({"name": c.name, "candidates": c.candidates})).collect();
    let mut value = json!({
        "space": space.name,
        "architectures": space.architectures().to_string(),
        "networks": space.networks().to_string(),
        "choices": choices,
        "modules": facts.modules,
        "params": space.params(),
        "buffers": cost.buffers,
        "keys": facts.keys,
        "average_macs": facts.macs,
        "average_macs_method": expected::method(facts.macs_method),
        "measuring": facts.forecast,
        "measuring_derived_from": how_derived(facts, lut),
    });
    if let Some(lut) = lut {
        value["expected"] = json!(expected::to_json(space, lut, &space.uniform_probabilities(), false)?);
        let names = ["lowest", "p5", "median", "p95", "highest"].map(ToOwned::to_owned);
        let range = names.into_iter().zip(expected::drawn_range(space, lut)?.map(|v| json!(v)));
        value["drawn_latency_ms"] = range.collect::<serde_json::Map<_, _>>().into();
    }
    print_json(&value)
}

fn show(facts: &Facts, lut: Option<&Lut>) -> Result<(), Failure> {
    let space = &facts.space;
    print(format!("space          {}", space.name))?;
    print(format!("architectures  {}", space.architectures()))?;
    if space.networks() != space.architectures() {
        print(format!("networks       {} distinct", space.networks()))?;
    }
    print(format!("supernet       {} trainable parameters", space.params()))?;
    print(format!("LUT keys       {} ({})", facts.keys, keys_of(facts.runtime)))?;
    let [low, high] = facts.forecast.seconds;
    print(format!("measuring      {} to {}: {}", duration(low), duration(high), how_derived(facts, lut)))?;
    match lut {
        Some(lut) => {
            expected::show(space, lut, &space.uniform_probabilities())?;
            let [lowest, p5, median, p95, highest] = expected::drawn_range(space, lut)?.map(ms);
            print(format!(
                "{:<14} {lowest}, 5 % {p5}, median {median}, 95 % {p95}, {highest}",
                format!("{} sampled", expected::SAMPLED)
            ))?;
        }
        None => print(format!(
            "MACs           {:.1} M on average ({})",
            facts.macs / 1e6,
            expected::method(facts.macs_method)
        ))?,
    }
    print("")?;
    print(format!("{:<36} {:>7} {:>8} {:>12}  output", "module", "layers", "choices", "parameters"))?;
    for module in &facts.modules {
        let Module { name, layers, choices, params, output } = module;
        let choices = choices.len();
        print(format!("{} {layers:>7} {choices:>8} {params:>12}  {}", fit(name, 36), output.without_batch()))?;
    }
    print("")?;
    print(format!("{} choices", space.choices.len()))?;
    for line in grouped(&space.choices) {
        print(format!("  {line}"))?;
    }
    Ok(())
}

/// One line for choices in a row that have the same candidates.
fn grouped(choices: &[Choice]) -> Vec<String> {
    let runs = choices.chunk_by(|a, b| a.candidates == b.candidates);
    let line = |run: &[Choice]| {
        let candidates = run[0].candidates.join(", ");
        match run {
            [only] => format!("{}: {candidates}", only.name),
            [first, .., last] => format!("{} to {} ({}): {candidates}", first.name, last.name, run.len()),
            [] => String::new(),
        }
    };
    runs.map(line).collect()
}

/// The runtime whose keys these are.
fn keys_of(runtime: Runtime) -> String {
    match runtime.onnx_runtime_block() {
        None => "libtorch, nothing fused".to_owned(),
        Some(0) => "ONNX Runtime, fused; more where it works in blocks of channels".to_owned(),
        Some(block) => format!("ONNX Runtime, fused, in blocks of {block} channels"),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
