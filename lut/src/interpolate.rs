//! Interpolates unmeasured layers between measured layers of their kind.
//!
//! It never extrapolates: a layer larger or smaller than all measured ones stays missing. The interpolation error is
//! estimated by leaving out each measured layer in turn.

use std::collections::BTreeMap;

use nasprof_base::statistics::mean;
use nasprof_graph::cost::op_cost;
use nasprof_graph::key::{attributes, input_shapes};
use nasprof_graph::{Op, Shape};

use crate::Row;

/// Fewest measured layers of a kind: with one of the inner ones left out, an error must remain visible.
const MIN_LAYERS: usize = 4;

/// An interpolated time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interpolated {
    /// Nanoseconds.
    pub(crate) ns: f64,
    /// Root mean square of the relative errors of the kind's measured layers, each interpolated from the others.
    pub(crate) relative_error: f64,
}

/// Measured layers by kind: logarithm of size to logarithm of nanoseconds, in order of size.
#[derive(Debug)]
pub(crate) struct Interpolator {
    kinds: BTreeMap<String, Vec<(f64, f64)>>,
}

impl Interpolator {
    /// Sorts the measured rows by kind. Layers of one size count as one, with their mean.
    pub(crate) fn new(rows: &[Row]) -> Self {
        let mut sizes: BTreeMap<String, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
        for row in rows {
            let Some(times) = row.times.as_ref().filter(|times| times.mean_ns > 0.0) else { continue };
            let shapes: Vec<&str> = row.input_shapes.split(',').collect();
            let kind = kind(&row.op, &row.attributes, &shapes);
            let size = size(row.macs, row.bytes);
            sizes.entry(kind).or_default().entry(size).or_default().push(times.mean_ns.ln());
        }
        let line = |sizes: BTreeMap<u64, Vec<f64>>| {
            sizes.into_iter().filter_map(|(size, logs)| Some(((size.max(1) as f64).ln(), mean(&logs)?))).collect()
        };
        Self { kinds: sizes.into_iter().map(|(kind, sizes)| (kind, line(sizes))).collect() }
    }

    /// The time of an operation; `None` unless enough smaller and larger layers of its kind were measured.
    pub(crate) fn time(&self, op: &Op, inputs: &[&Shape], output: &Shape) -> Option<Interpolated> {
        let cost = op_cost(op, inputs, output);
        let shapes = input_shapes(op, inputs);
        let shapes: Vec<&str> = shapes.split(',').collect();
        let line = self.kinds.get(&kind(op.name(), &attributes(op), &shapes))?;
        if line.len() < MIN_LAYERS {
            return None;
        }
        let size = (size(cost.macs, cost.bytes_read.saturating_add(cost.bytes_written)).max(1) as f64).ln();
        let log = between(line, size)?;
        let squares: Vec<f64> = (1..line.len() - 1)
            .filter_map(|i| {
                let others: Vec<(f64, f64)> = [&line[..i], &line[i + 1..]].concat();
                Some((between(&others, line[i].0)? - line[i].1).powi(2))
            })
            .collect();
        Some(Interpolated { ns: log.exp(), relative_error: mean(&squares)?.sqrt() })
    }
}

/// Linear between the neighbours; `None` outside.
fn between(line: &[(f64, f64)], at: f64) -> Option<f64> {
    let above = line.iter().position(|(size, _)| *size >= at)?;
    let (high, high_value) = line[above];
    if high == at {
        return Some(high_value);
    }
    let (low, low_value) = line[above.checked_sub(1)?];
    Some(low_value + (high_value - low_value) * (at - low) / (high - low))
}

/// The size of a layer: its arithmetic if there is any, else its traffic.
fn size(macs: u64, bytes: u64) -> u64 {
    if macs > 0 { macs } else { bytes }
}

/// The kind of a layer, which layers must share to be compared: the operation, its attributes except numbers of
/// channels, whether it is depthwise, and the number of operands.
fn kind(op: &str, attributes: &str, shapes: &[&str]) -> String {
    let channels = shapes.first().and_then(|shape| shape.split('x').next()).unwrap_or("");
    let attributes: Vec<String> = attributes
        .split(',')
        .filter(|part| !part.starts_with("out="))
        .map(|part| match part.strip_prefix("groups=") {
            Some(groups) if groups == channels => "depthwise".to_owned(),
            _ => part.to_owned(),
        })
        .collect();
    format!("{op}({})/{}", attributes.join(","), shapes.len())
}
