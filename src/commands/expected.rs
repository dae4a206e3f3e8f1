//! Mean latency of a space: `nasprof estimate --distribution` and `nasprof space show --lut`.

use std::path::Path;

use nasprof_base::text::ms;
use nasprof_graph::distribution::DistributionFile;
use nasprof_graph::expectation::{ExpectedCost, Method, Sampling};
use nasprof_lut::{Estimator, Lut};
use nasprof_spaces::Space;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};

use super::print;
use crate::failure::Failure;
use crate::resolve;

/// Networks drawn for the range.
pub(super) const SAMPLED: usize = 1000;
/// Networks drawn for a mean that cannot be exact.
pub(super) const SAMPLING: Sampling = Sampling { samples: 200, seed: 0 };
/// The same with a gradient, where each sample costs as many networks as the space has candidates.
const SAMPLING_WITH_GRADIENT: Sampling = Sampling { samples: 16, seed: 0 };

/// A distribution file, or `uniform`.
pub(super) fn distribution(name: &Path, space: &Space) -> Result<Vec<Vec<f64>>, Failure> {
    if name == Path::new("uniform") {
        return Ok(space.uniform_probabilities());
    }
    let what = format!("--distribution {}", name.display());
    let text = resolve::text_file(name).map_err(|f| f.context(&what))?;
    let file: DistributionFile = serde_json::from_str(&text)
        .map_err(|e| Failure::usage(nasprof_base::suggest::explain(&e.to_string())).context(&what))?;
    file.resolve(&space.name, &space.choices).map_err(|e| Failure::usage(e).context(&what))
}

/// The expected costs, each with its key in JSON.
fn costs(space: &Space, lut: &Lut, sampling: Sampling) -> Result<Vec<(&'static str, ExpectedCost)>, Failure> {
    let (graph, runtime) = (&space.graph, lut.context.header.runtime);
    Ok(vec![
        ("latency_ms", lut.expected_latency(graph, sampling).map_err(Failure::usage)?),
        ("params", ExpectedCost::params(graph, runtime, sampling).map_err(Failure::usage)?),
        ("macs", ExpectedCost::macs(graph, runtime, sampling).map_err(Failure::usage)?),
        ("peak_memory_bytes", lut.expected_peak_memory(graph, sampling).map_err(Failure::usage)?),
    ])
}

/// Expected costs as JSON: `{"latency_ms": {"value": …, "method": "exact"}, …}`, with a gradient if it is wanted.
pub(super) fn to_json(
    space: &Space,
    lut: &Lut,
    probabilities: &[Vec<f64>],
    gradient: bool,
) -> Result<Map<String, Value>, Failure> {
    let sampling = if gradient { SAMPLING_WITH_GRADIENT } else { SAMPLING };
    let mut result = Map::new();
    let mut conditional = probabilities.to_vec();
    for (key, mut cost) in costs(space, lut, sampling)? {
        let value = if gradient { cost.evaluate(probabilities, &mut conditional) } else { cost.value(probabilities) };
        let mut entry = json!({"value": value.map_err(Failure::usage)?, "method": method(cost.method())});
        if key == "latency_ms" {
            entry["context_dependent"] = json!(lut.is_context_dependent());
        }
        if gradient {
            let named = DistributionFile::new(&space.name, &space.choices, &conditional);
            entry["if_selected"] = json!(named.choices);
        }
        result.insert(key.to_owned(), entry);
    }
    Ok(result)
}

/// Expected costs as text.
pub(super) fn show(space: &Space, lut: &Lut, probabilities: &[Vec<f64>]) -> Result<(), Failure> {
    for (key, mut cost) in costs(space, lut, SAMPLING)? {
        let value = cost.value(probabilities).map_err(Failure::usage)?;
        let (name, text) = match key {
            "latency_ms" if lut.is_context_dependent() => {
                ("latency", format!("{}, of means over occurrences,", ms(value)))
            }
            "latency_ms" => ("latency", ms(value)),
            "params" => ("parameters", format!("{:.3} M", value / 1e6)),
            "macs" => ("MACs", format!("{:.1} M", value / 1e6)),
            _ => ("peak memory", format!("{:.1} MiB", value / f64::from(1 << 20))),
        };
        print(format!("{name:<14} {text} on average ({})", method(cost.method())))?;
    }
    Ok(())
}

pub(super) fn method(method: Method) -> String {
    match method {
        Method::Exact => "exact".to_owned(),
        Method::SecondOrder => "to second order in the sum of layers".to_owned(),
        Method::Enumerated { networks } => format!("exact, over all {networks} architectures"),
        Method::Sampled { samples, seed } => format!("mean of {samples} sampled networks, seed {seed}"),
    }
}

/// Lowest, 5 %, median, 95 % and highest latency of uniformly drawn networks, in milliseconds.
pub(super) fn drawn_range(space: &Space, lut: &Lut) -> Result<[f64; 5], Failure> {
    let estimator = Estimator::new(lut);
    let mut rng = ChaCha8Rng::seed_from_u64(SAMPLING.seed);
    let mut latencies = Vec::with_capacity(SAMPLED);
    for _ in 0..SAMPLED {
        let network = lut.context.header.runtime.subnet(&space.graph, &space.sample(&mut rng))?;
        let latency = estimator.latency_ms(&network);
        latencies.push(latency.ok_or_else(|| Failure::usage("the LUT has no entry for a layer of the space"))?);
    }
    latencies.sort_by(f64::total_cmp);
    Ok([0.0, 0.05, 0.5, 0.95, 1.0].map(|q| latencies[((SAMPLED - 1) as f64 * q).round() as usize]))
}
