//! Static costs of nodes and graphs: parameters, multiply-accumulates (MACs), bytes moved.
//!
//! One multiply-accumulate counts as 1, not as 2 FLOPs. Convolutions count output elements times `in / groups * kh *
//! kw`, which also holds for grouped and depthwise convolutions (NNabla-NAS divides by the groups twice). Batch
//! normalisation, activations, pools and sums count no MACs, as in the published counts of MobileNetV2 (0.301 G at
//! 224).

use std::collections::HashMap;

use serde::Serialize;

use crate::parameters::{ParameterSpec, specs_of};
use crate::{Graph, Node, NodeId, Op, Shape, custom};

/// Bytes of a 32-bit float, the element type of networks unless their operations say otherwise.
pub const ELEMENT_BYTES: u64 = 4;

/// Costs that follow from the graph alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct StaticCost {
    /// Trainable parameters.
    pub params: u64,
    /// Stored but not trained: running statistics of batch normalisation.
    pub buffers: u64,
    /// Multiply-accumulates at the graph's batch size.
    pub macs: u64,
    /// Bytes read: operands, parameters and buffers.
    pub bytes_read: u64,
    /// Bytes written: outputs.
    pub bytes_written: u64,
}

impl StaticCost {
    /// MACs per byte moved; 0 when nothing moves.
    #[must_use]
    pub fn arithmetic_intensity(&self) -> f64 {
        let bytes = self.bytes_read.saturating_add(self.bytes_written);
        if bytes == 0 { 0.0 } else { self.macs as f64 / bytes as f64 }
    }
}

impl std::ops::Add for StaticCost {
    type Output = Self;
    // Saturating: shapes are bounded, but a hostile graph can still multiply two of the largest.
    fn add(self, other: Self) -> Self {
        Self {
            params: self.params.saturating_add(other.params),
            buffers: self.buffers.saturating_add(other.buffers),
            macs: self.macs.saturating_add(other.macs),
            bytes_read: self.bytes_read.saturating_add(other.bytes_read),
            bytes_written: self.bytes_written.saturating_add(other.bytes_written),
        }
    }
}

impl Graph {
    /// Sum over all nodes; parameters that several nodes share count once, at their largest size. On a supernet this
    /// includes every candidate; for the cost of one network, [`crate::passes::select`] an architecture first.
    #[must_use]
    pub fn cost(&self) -> StaticCost {
        self.cost_of_nodes(self.nodes())
    }

    /// Sum over some of the nodes.
    #[must_use]
    pub fn cost_of(&self, ids: &[NodeId]) -> StaticCost {
        self.cost_of_nodes(ids.iter().map(|&id| self.node(id)))
    }

    fn cost_of_nodes<'a>(&'a self, nodes: impl IntoIterator<Item = &'a Node>) -> StaticCost {
        let mut shared: HashMap<&str, (u64, u64)> = HashMap::new();
        let mut total = StaticCost::default();
        for node in nodes {
            let cost = self.node_cost(node);
            total = total + StaticCost { params: 0, buffers: 0, ..cost };
            if node.op.has_parameters() {
                let (params, buffers) = shared.entry(node.parameter_path()).or_default();
                *params = cost.params.max(*params);
                *buffers = cost.buffers.max(*buffers);
            }
        }
        let stored =
            shared.into_values().map(|(params, buffers)| StaticCost { params, buffers, ..StaticCost::default() });
        stored.fold(total, |sum, cost| sum + cost)
    }

    /// Bytes of all stored values; parameters that several nodes share count once, at their largest size.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        let mut shared: HashMap<&str, u64> = HashMap::new();
        for node in self.nodes().iter().filter(|node| node.op.has_parameters()) {
            let bytes = parameter_bytes(&node.op, &self.input_shapes(node), &node.shape);
            let known = shared.entry(node.parameter_path()).or_default();
            *known = bytes.max(*known);
        }
        shared.into_values().fold(0, u64::saturating_add)
    }

    /// Cost of one node.
    #[must_use]
    pub fn node_cost(&self, node: &Node) -> StaticCost {
        op_cost(&node.op, &self.input_shapes(node), &node.shape)
    }
}

/// Cost of an operation on given shapes.
#[must_use]
pub fn op_cost(op: &Op, inputs: &[&Shape], output: &Shape) -> StaticCost {
    let op = op.plain();
    let out = output.elements();
    let channels = inputs.first().map_or(0, |s| s.channels() as u64);
    let (params, buffers, macs) = match op {
        Op::Conv { out_channels, kernel, groups, bias, .. } => {
            let per_output = channels / *groups as u64 * (kernel[0] * kernel[1]) as u64;
            let bias = if *bias { *out_channels as u64 } else { 0 };
            (*out_channels as u64 * per_output + bias, 0, out.saturating_mul(per_output))
        }
        Op::Linear { out_features, bias } => {
            let features = inputs[0].0.last().map_or(0, |&f| f as u64);
            let bias = if *bias { *out_features as u64 } else { 0 };
            (features * *out_features as u64 + bias, 0, out.saturating_mul(features))
        }
        Op::BatchNorm { .. } => (2 * channels, 2 * channels, 0),
        Op::MatMul => (0, 0, out.saturating_mul(inputs[0].0.last().map_or(0, |&k| k as u64))),
        Op::ConvNd { kernel, groups, transposed, .. } => {
            let window = kernel.iter().fold(1_u64, |product, &size| product.saturating_mul(size as u64));
            // Each element on the smaller side of the window is multiplied with the whole window once.
            let (elements, other) =
                if *transposed { (inputs[0].elements(), output.channels()) } else { (out, inputs[0].channels()) };
            let macs = elements.saturating_mul((other / groups) as u64).saturating_mul(window);
            (stored(op, inputs), 0, macs)
        }
        Op::Recurrent { cell, hidden, bidirectional } => {
            let [steps, batch, features] = [0, 1, 2].map(|axis| inputs[0].0.get(axis).map_or(0, |&size| size as u64));
            let directions = if *bidirectional { 2 } else { 1 };
            let step = (cell.gates() as u64 * *hidden as u64).saturating_mul(features + *hidden as u64);
            (stored(op, inputs), 0, [steps, batch, directions].into_iter().fold(step, u64::saturating_mul))
        }
        Op::LayerNorm { .. } | Op::GroupNorm { .. } | Op::Constant { .. } => (stored(op, inputs), 0, 0),
        Op::Kernel { op, .. } | Op::Quantized { op, .. } => {
            let cost = op_cost(op, inputs, output);
            (cost.params, cost.buffers, cost.macs)
        }
        Op::Custom { kind, attributes } => custom::find(kind)
            .map_or((0, 0, 0), |custom| (custom.params(attributes, inputs), 0, custom.macs(attributes, inputs))),
        _ => (0, 0, 0),
    };
    if !op.is_layer() || is_view(op) {
        return StaticCost { params, buffers, macs, ..StaticCost::default() };
    }
    let operands = inputs.iter().fold(0_u64, |sum, s| sum.saturating_add(s.elements()));
    let operand_bytes = if op.takes_int8() { 1 } else { ELEMENT_BYTES };
    let parameters = if op.takes_int8() {
        parameter_bytes(op, inputs, output)
    } else {
        params.saturating_add(buffers).saturating_mul(ELEMENT_BYTES)
    };
    StaticCost {
        params,
        buffers,
        macs,
        bytes_read: operands.saturating_mul(operand_bytes).saturating_add(parameters),
        bytes_written: out * element_bytes(op),
    }
}

/// Bytes of one element of an operation's result.
#[must_use]
pub fn element_bytes(op: &Op) -> u64 {
    if op.gives_int8() { 1 } else { ELEMENT_BYTES }
}

/// Bytes of the values that an operation stores. Quantized operations store weights in 8 bits and biases in 32.
#[must_use]
pub fn parameter_bytes(op: &Op, inputs: &[&Shape], output: &Shape) -> u64 {
    if !op.takes_int8() {
        let cost = op_cost(op, inputs, output);
        return cost.params.saturating_add(cost.buffers).saturating_mul(ELEMENT_BYTES);
    }
    let bytes = |spec: &ParameterSpec| elements(spec).saturating_mul(if spec.suffix == "weight" { 1 } else { 4 });
    specs_of(op, inputs).iter().fold(0, |sum: u64, spec| sum.saturating_add(bytes(spec)))
}

fn elements(spec: &ParameterSpec) -> u64 {
    spec.dims.iter().fold(1_u64, |all, &size| all.saturating_mul(size as u64))
}

/// Values that an operation stores.
fn stored(op: &Op, inputs: &[&Shape]) -> u64 {
    specs_of(op, inputs).iter().fold(0, |sum: u64, spec| sum.saturating_add(elements(spec)))
}

/// Whether an operation returns its input without copying it.
#[must_use]
pub fn is_view(op: &Op) -> bool {
    let op = if let Op::Quantized { op, .. } = op { op } else { op };
    matches!(
        op.plain(),
        Op::Identity
            | Op::Flatten
            | Op::Dropout { .. }
            | Op::DropPath { .. }
            | Op::Choice { .. }
            | Op::Crop { .. }
            | Op::Reshape { .. }
            | Op::Slice { .. }
            | Op::Expand { .. }
    )
}
