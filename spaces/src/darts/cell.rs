//! The skeleton of supernets and discrete networks: stem, cells, classifier.

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};

use super::operation::Operation;
use super::spec::{DartsSpec, TrainOptions};
use crate::blocks::auxiliary::auxiliary_head;
use crate::blocks::darts::{factorized_reduce, relu_conv_bn, stem_conv};

/// One cell of the network. Its nodes are counted with its two inputs as 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) index: usize,
    pub(super) reduction: bool,
    after_reduction: bool,
    channels: usize,
}

impl Cell {
    /// All cells of a network, first to last.
    pub(super) fn all(spec: &DartsSpec) -> Vec<Self> {
        let reduces = |i: usize| i == spec.num_cells / 3 || i == 2 * spec.num_cells / 3;
        let mut channels = spec.init_channels;
        (0..spec.num_cells)
            .map(|index| {
                let reduction = reduces(index);
                if reduction {
                    channels = channels.saturating_mul(2);
                }
                Self { index, reduction, after_reduction: index > 0 && reduces(index - 1), channels }
            })
            .collect()
    }

    /// One operation on an edge. A reduction cell halves only its inputs.
    pub(super) fn edge(
        &self,
        b: &mut GraphBuilder,
        op: Operation,
        source: usize,
        x: NodeId,
        options: TrainOptions,
    ) -> Result<NodeId, GraphError> {
        let stride = if self.reduction && source < 2 { 2 } else { 1 };
        let y = op.append(b, x, stride)?;
        let passes_on = matches!(op, Operation::SkipConnect) && stride == 1 || matches!(op, Operation::None);
        if passes_on || options.drop_path == 0.0 {
            return Ok(y);
        }
        b.add(&format!("{}_drop_path", op.name()), Op::DropPath { probability: options.drop_path }, &[y])
    }

    /// Converts the outputs of the two previous cells to this cell's channels and size.
    fn inputs(&self, b: &mut GraphBuilder, before: [NodeId; 2]) -> Result<[NodeId; 2], GraphError> {
        let first = b.scope("input_0", |b| {
            if self.after_reduction {
                factorized_reduce(b, before[0], self.channels)
            } else {
                relu_conv_bn(b, before[0], self.channels, 1)
            }
        })?;
        let second = b.scope("input_1", |b| relu_conv_bn(b, before[1], self.channels, 1))?;
        Ok([first, second])
    }
}

/// The sources of a node's edges: all nodes before it.
pub(super) fn edges_of_node(node: usize) -> std::ops::Range<usize> {
    0..node
}

pub(super) fn edge_name(source: usize, node: usize) -> String {
    format!("edge_{source}_{node}")
}

/// Builds the network; `edges` appends the edges that end in a node, given the values of all earlier nodes. Returns the
/// outputs: logits and, if requested, the auxiliary classifier's logits.
pub(super) fn skeleton(
    b: &mut GraphBuilder,
    spec: &DartsSpec,
    options: TrainOptions,
    mut edges: impl FnMut(&mut GraphBuilder, &Cell, usize, &[NodeId]) -> Result<Vec<NodeId>, GraphError>,
) -> Result<Vec<NodeId>, GraphError> {
    let [channels, height, width] = spec.input;
    let x = b.input("input", [1, channels, height, width])?;
    let stem = b.scope("stem", |b| stem_conv(b, x, spec.init_channels.saturating_mul(spec.stem_multiplier)))?;
    let mut before = [stem, stem];
    let mut auxiliary = None;
    for cell in Cell::all(spec) {
        let output = b.scope(format!("cells/{}", cell.index), |b| {
            let mut values = cell.inputs(b, before)?.to_vec();
            for node in 2..spec.num_choices + 2 {
                let built = edges(b, &cell, node, &values)?;
                values.push(b.add(&format!("node_{node}"), Op::Add, &built)?);
            }
            b.add("concat", Op::Concat { axis: 1 }, &values[values.len() - spec.multiplier..])
        })?;
        before = [before[1], output];
        if options.auxiliary && cell.index == 2 * spec.num_cells / 3 {
            auxiliary = Some(b.scope("auxiliary", |b| auxiliary_head(b, output, spec.num_classes))?);
        }
    }
    let logits = b.scope("classifier", |b| {
        // The reference's 8x8 pool covers the whole 8x8 map; this one also fits other images.
        let y = b.add("pool", Op::GlobalAvgPool, &[before[1]])?;
        let y = b.add("flatten", Op::Flatten, &[y])?;
        b.add("linear", Op::Linear { out_features: spec.num_classes, bias: true }, &[y])
    })?;
    Ok(std::iter::once(logits).chain(auxiliary).collect())
}
