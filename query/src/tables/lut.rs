//! A LUT as a table: the columns of its files, times in milliseconds and in nanoseconds, and the parts of a layer's
//! key.

use nasprof_lut::{Flag, Lut, Row, Times};
use nasprof_profiler::journal::Mode;
use polars::prelude::Column;

use super::frame::{reals, texts, wholes};
use super::layer::Layer;

type Nanoseconds = fn(&Times) -> Option<f64>;

/// Times of a layer, by their names in files.
const TIMES: [(&str, Nanoseconds); 10] = [
    ("mean", |t| Some(t.mean_ns)),
    ("median", |t| t.median_ns),
    ("min", |t| t.min_ns),
    ("p10", |t| t.p10_ns),
    ("p25", |t| t.p25_ns),
    ("p75", |t| t.p75_ns),
    ("p90", |t| t.p90_ns),
    ("mad", |t| t.mad_ns),
    ("ci_low", |t| t.ci_low_ns),
    ("ci_high", |t| t.ci_high_ns),
];

type Count = fn(&Times) -> u64;

const COUNTS: [(&str, Count); 4] = [
    ("n_places", |t| t.n_occurrences),
    ("n_visits", |t| t.n_visits),
    ("n_samples", |t| t.n_samples),
    ("n_dropped", |t| t.n_dropped),
];

type Energy = fn(&nasprof_lut::Energy) -> f64;

const ENERGIES: [(&str, Energy); 5] = [
    ("energy_mj", |e| e.energy_mj),
    ("energy_low_mj", |e| e.energy_low_mj),
    ("energy_high_mj", |e| e.energy_high_mj),
    ("energy_idle_mj", |e| e.energy_idle_mj),
    ("energy_resolution_mj", |e| e.energy_resolution_mj),
];

type Part = fn(&Layer) -> Option<u64>;

/// The numbers in a key.
const PARTS: [(&str, Part); 8] = [
    ("out_channels", |l| l.out_channels),
    ("groups", |l| l.groups),
    ("in_channels", |l| l.input.map(|i| i[0])),
    ("in_height", |l| l.input.map(|i| i[1])),
    ("in_width", |l| l.input.map(|i| i[2])),
    ("out_height", |l| l.output.map(|o| o[0])),
    ("out_width", |l| l.output.map(|o| o[1])),
    ("in_features", |l| l.in_features),
];

/// All columns of a LUT.
pub(super) fn columns(lut: &Lut) -> Vec<Column> {
    let rows = &lut.rows[..];
    let layers: Vec<Layer> = rows.iter().map(Layer::of).collect();
    let mut all = vec![
        texts("key", rows, |r| Some(r.key.to_string())),
        texts("op", rows, |r| Some(r.op.clone())),
        texts("attributes", rows, |r| Some(r.attributes.clone())),
        texts("input_shapes", rows, |r| Some(r.input_shapes.clone())),
        texts("kernel", &layers, |l| l.kernel.clone()),
        texts("stride", &layers, |l| l.stride.clone()),
    ];
    all.extend(PARTS.iter().map(|(name, part)| wholes(name, &layers, part)));
    all.push(texts("mode", rows, |r| Some(mode(r).to_owned())));
    all.push(texts("error", rows, |r| r.error.clone()));
    for (name, time) in TIMES {
        let ns = |r: &Row| r.times.as_ref().and_then(time);
        all.push(reals(&format!("{name}_ms"), rows, |r| ns(r).map(|ns| ns / 1e6)));
        all.push(reals(&format!("{name}_ns"), rows, ns));
    }
    all.extend(COUNTS.iter().map(|(name, count)| wholes(name, rows, |r| r.times.as_ref().map(count))));
    all.push(texts("sessions_ns", rows, |r| r.times.as_ref().map(|t| json(&t.sessions_ns))));
    all.push(texts("reuse", rows, |r| r.times.as_ref().map(|t| json(&t.reuse))));
    all.push(reals("between", rows, |r| r.times.as_ref().and_then(Times::between)));
    all.push(texts("flags", rows, |r| Some(r.flags.iter().map(|f| Flag::name(*f)).collect::<Vec<_>>().join(","))));
    all.push(wholes("params", rows, |r| Some(r.params)));
    all.push(wholes("macs", rows, |r| Some(r.macs)));
    all.push(wholes("bytes", rows, |r| Some(r.bytes)));
    all.push(wholes("peak_memory_bytes", rows, |r| r.peak_memory_bytes));
    all.push(wholes("stored_bytes", rows, |r| r.stored_bytes));
    all.push(wholes("first_call_ns", rows, |r| r.first_call_ns));
    all.push(reals("launch_ns", rows, |r| r.launch_ns));
    all.extend(ENERGIES.iter().map(|(name, energy)| reals(name, rows, |r| r.energy.as_ref().map(energy))));
    all.push(texts("energy_method", rows, |r| r.energy.as_ref().map(|e| e.energy_method.clone())));
    let header = &lut.context.header;
    all.push(texts("device", rows, |_| Some(header.device.clone())));
    all.push(texts("space", rows, |_| Some(header.space.clone())));
    all.push(texts("backend", rows, |_| Some(header.backend.clone())));
    all.push(wholes("threads", rows, |_| Some(header.threads as u64)));
    all.push(wholes("batch", rows, |_| Some(header.batch as u64)));
    all
}

fn mode(row: &Row) -> &'static str {
    match row.mode {
        Mode::InContext => "in_context",
        Mode::Isolated => "isolated",
        Mode::Whole => "whole",
    }
}

/// A list in the form of files.
fn json(values: &impl serde::Serialize) -> String {
    serde_json::to_string(values).unwrap_or_default()
}
