//! Peak memory: the LUT's memory columns, and the error of predictions for whole networks.

use std::collections::HashMap;

use nasprof_base::statistics::mean;
use nasprof_graph::arch::ArchFile;
use nasprof_graph::cost::{op_cost, parameter_bytes};
use nasprof_graph::{Graph, LayerKey, Node, Op, Overhead, Shape};
use serde::{Deserialize, Serialize};

use crate::Lut;

/// Measured memory of layers, by key: the peak of a run, and the memory kept between runs.
#[derive(Debug, Clone)]
pub(crate) struct LayerMemory(HashMap<LayerKey, (Option<u64>, Option<u64>)>);

impl LayerMemory {
    pub(crate) fn new(lut: &Lut) -> Self {
        Self(lut.rows.iter().map(|row| (row.key.clone(), (row.peak_memory_bytes, row.stored_bytes))).collect())
    }

    /// Bytes that a layer needs beside its operands, parameters and result; zero if nothing was measured. A LUT's peak
    /// includes the result, which the graph counts as an activation; its kept memory includes the parameters.
    pub(crate) fn of(&self, op: &Op, inputs: &[&Shape], output: &Shape) -> Overhead {
        let (peak, stored) = self.0.get(&LayerKey::new(op, inputs)).copied().unwrap_or_default();
        let cost = op_cost(op, inputs, output);
        Overhead {
            workspace: peak.unwrap_or(0).saturating_sub(cost.bytes_written),
            kept: stored.unwrap_or(0).saturating_sub(parameter_bytes(op, inputs, output)),
        }
    }

    /// Peak memory of a network: parameters and other kept memory, activations, and the workspace of the running layer.
    pub(crate) fn peak_bytes(&self, network: &Graph) -> u64 {
        network.peak_memory_bytes(|node: &Node| self.of(&node.op, &network.input_shapes(node), &node.shape))
    }
}

impl Lut {
    /// Peak memory in bytes of a network that is already as the runtime executes it: parameters, other memory
    /// that the runtime keeps, live activations, and the measured workspace of the running layer.
    #[must_use]
    pub fn peak_memory_bytes(&self, network: &Graph) -> u64 {
        LayerMemory::new(self).peak_bytes(network)
    }
}

/// The peak memory of one network in a fresh process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryRow {
    /// Its architecture.
    pub arch: ArchFile,
    /// Most bytes above the process without the network.
    pub measured_bytes: u64,
    /// The estimate from the LUT and the graph.
    pub estimated_bytes: u64,
    /// The estimate from the graph alone, without measured workspaces.
    pub static_bytes: u64,
}

/// How far predicted peaks are from measured ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryValidation {
    /// Networks.
    pub n: usize,
    /// Mean absolute relative error.
    pub mape: f64,
    /// Mean relative error.
    pub bias: f64,
    /// Largest absolute relative error.
    pub worst: f64,
    /// Share within 2 %.
    pub within_2: f64,
    /// Share within 5 %.
    pub within_5: f64,
    /// Mean absolute relative error of the graph alone, without measured workspaces.
    pub static_mape: f64,
    /// The networks.
    pub rows: Vec<MemoryRow>,
}

impl MemoryValidation {
    /// Compares; `None` without networks.
    #[must_use]
    pub fn of(rows: Vec<MemoryRow>) -> Option<Self> {
        let errors_of = |estimate: fn(&MemoryRow) -> u64| -> Vec<f64> {
            rows.iter().map(|row| estimate(row) as f64 / row.measured_bytes as f64 - 1.0).collect()
        };
        let sizes = |errors: &[f64]| errors.iter().map(|e| e.abs()).collect::<Vec<_>>();
        let errors = errors_of(|row| row.estimated_bytes);
        let absolute = sizes(&errors);
        let share = |limit: f64| absolute.iter().filter(|e| **e <= limit).count() as f64 / absolute.len() as f64;
        Some(Self {
            n: rows.len(),
            mape: mean(&absolute)?,
            bias: mean(&errors)?,
            worst: absolute.iter().copied().fold(0.0, f64::max),
            within_2: share(0.02),
            within_5: share(0.05),
            static_mape: mean(&sizes(&errors_of(|row| row.static_bytes)))?,
            rows,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_relative_to_what_was_measured() {
        let row = |measured_bytes, estimated_bytes| MemoryRow {
            arch: ArchFile { format_version: 1, space: "small".to_owned(), choices: [].into() },
            measured_bytes,
            estimated_bytes,
            static_bytes: measured_bytes / 2,
        };
        let validation = MemoryValidation::of(vec![row(1000, 1010), row(1000, 900)]).unwrap();
        assert!((validation.mape - 0.055).abs() < 1e-12 && (validation.bias + 0.045).abs() < 1e-12);
        assert_eq!((validation.within_2, validation.within_5, validation.static_mape), (0.5, 0.5, 0.5));
        assert!((validation.worst - 0.1).abs() < 1e-12);
        assert_eq!(MemoryValidation::of(Vec::new()), None);
    }
}
