//! Sampled architectures of a space as a table.

use nasprof_graph::arch::ArchFile;
use nasprof_graph::runtime::Runtime;
use nasprof_lut::{Estimate, Estimator, Lut};
use nasprof_spaces::Space;
use polars::prelude::{Column, DataFrame};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::frame::{reals, texts, wholes};

/// Architectures drawn by a seed, with the predictions of a LUT; without a LUT their latency is unknown.
pub(crate) fn frame(space: &Space, count: u64, seed: u64, lut: Option<&Lut>) -> Result<DataFrame, String> {
    let batch = lut.map_or(1, |lut| lut.context.header.batch);
    let mut space = space.clone();
    if let Some(lut) = lut {
        lut.check_space(&space.name, &space.graph.identity()).map_err(|e| e.to_string())?;
    }
    space.graph = space.graph.with_batch(batch).map_err(|e| e.to_string())?;
    let runtime = lut.map_or(Runtime::TorchEager, |lut| lut.context.header.runtime);
    let estimator = lut.map(Estimator::new);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows: Vec<Sampled> = Vec::new();
    for _ in 0..count {
        let arch = space.sample(&mut rng);
        let network = runtime.subnet(&space.graph, &arch).map_err(|e| e.to_string())?;
        let file = ArchFile::new(&space.name, &space.choices, &arch);
        let choices = space.choices.iter().zip(&arch.0);
        let candidates = choices.map(|(choice, candidate)| choice.candidates[*candidate as usize].clone()).collect();
        let estimate = estimator.as_ref().map(|estimator| estimator.estimate(&network));
        let cost = network.cost();
        rows.push(Sampled {
            arch: serde_json::to_string(&file).map_err(|e| e.to_string())?,
            candidates,
            params: cost.params,
            macs: cost.macs,
            estimate,
        });
    }
    let of_estimate = |value: fn(&Estimate) -> Option<f64>| move |row: &Sampled| row.estimate.as_ref().and_then(value);
    let mut columns: Vec<Column> = vec![
        reals("latency_ms", &rows, of_estimate(|e| e.latency_ms)),
        reals("interval_low_ms", &rows, of_estimate(|e| e.interval_ms.map(|i| i[0]))),
        reals("interval_high_ms", &rows, of_estimate(|e| e.interval_ms.map(|i| i[1]))),
        wholes("params", &rows, |r| Some(r.params)),
        wholes("macs", &rows, |r| Some(r.macs)),
        wholes("peak_memory_bytes", &rows, |r| r.estimate.as_ref().map(|e| e.peak_memory_bytes)),
        texts("arch", &rows, |r| Some(r.arch.clone())),
    ];
    for (i, choice) in space.choices.iter().enumerate() {
        columns.push(texts(&choice.name, &rows, |r| r.candidates.get(i).cloned()));
    }
    DataFrame::new_infer_height(columns).map_err(|e| e.to_string())
}

struct Sampled {
    arch: String,
    candidates: Vec<String>,
    params: u64,
    macs: u64,
    estimate: Option<Estimate>,
}
