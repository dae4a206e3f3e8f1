//! The space of NAS-Bench-201 (Dong and Yang, ICLR 2020): one cell of four nodes, repeated in three stages.

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};
use serde::{Deserialize, Serialize};

use super::checks;
use super::error::SpaceError;
use super::space::Space;

/// The space of NAS-Bench-201: a stem, three stages of equal cells with a residual block of stride 2 between two
/// stages, and a classifier. A cell has four nodes; each of its six edges is a choice of an operation, the same in all
/// cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nasbench201Spec {
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// Classes: outputs of the network.
    pub num_classes: usize,
    /// Channels of the first stage; each next one has twice as many.
    #[serde(default = "sixteen")]
    pub channels: usize,
    /// Cells of a stage.
    #[serde(default = "five")]
    pub cells: usize,
}

fn sixteen() -> usize {
    16
}

fn five() -> usize {
    5
}

/// The operations of an edge, in the order of the paper.
const OPERATIONS: [&str; 5] = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
/// Nodes of a cell; the first is its input and the last its output.
const NODES: usize = 4;
const STAGES: usize = 3;
/// Bound that keeps a typing error from building for minutes.
const MAX_CELLS: usize = 100;

impl Nasbench201Spec {
    pub(super) fn build(&self, name: &str) -> Result<Space, SpaceError> {
        checks::within("channels", self.channels, 1..=1 << 14)?;
        checks::within("cells", self.cells, 1..=MAX_CELLS)?;
        checks::image(self.input, 1 << (STAGES - 1))?;
        let mut b = GraphBuilder::new();
        let [channels, height, width] = self.input;
        let x = b.input("input", [1, channels, height, width])?;
        let mut x = b.scope("stem", |b| {
            let y = b.add("conv", Op::conv(self.channels, 3, 1, 1), &[x])?;
            b.add("bn", Op::batch_norm(), &[y])
        })?;
        let mut index = 0;
        for stage in 0..STAGES {
            if stage > 0 {
                x = b.scope(format!("cells/{index}"), |b| residual_block(b, x, self.channels << stage))?;
                index += 1;
            }
            for _ in 0..self.cells {
                x = b.scope(format!("cells/{index}"), |b| cell(b, x))?;
                index += 1;
            }
        }
        let y = b.scope("classifier", |b| {
            let y = b.add("bn", Op::batch_norm(), &[x])?;
            let y = b.add("relu", Op::Relu, &[y])?;
            let y = b.add("pool", Op::GlobalAvgPool, &[y])?;
            let y = b.add("flatten", Op::Flatten, &[y])?;
            b.add("linear", Op::Linear { out_features: self.num_classes, bias: true }, &[y])
        })?;
        Ok(Space::new(name, b.build(&[y])?))
    }
}

/// Every node is the sum of the operations on all nodes before it.
fn cell(b: &mut GraphBuilder, x: NodeId) -> Result<NodeId, GraphError> {
    let mut nodes = vec![x];
    for node in 1..NODES {
        let mut edges = Vec::with_capacity(node);
        for (source, &input) in nodes.iter().enumerate() {
            let edge = format!("edge_{source}_{node}");
            let candidates = b.scope(edge.as_str(), |b| {
                OPERATIONS.iter().map(|&op| Ok((op.to_owned(), operation(b, input, op)?))).collect()
            })?;
            edges.push(b.choice_named(&edge, edge.clone(), candidates)?);
        }
        nodes.push(match edges[..] {
            [only] => only,
            _ => b.add(&format!("node_{node}"), Op::Add, &edges)?,
        });
    }
    Ok(nodes[NODES - 1])
}

fn operation(b: &mut GraphBuilder, x: NodeId, name: &str) -> Result<NodeId, GraphError> {
    let channels = b.shape(x).channels();
    let (kernel, stride, pad) = ([3; 2], [1; 2], [1; 2]);
    match name {
        "none" => b.add(name, Op::Zero { stride }, &[x]),
        "skip_connect" => b.add(name, Op::Identity, &[x]),
        "nor_conv_1x1" => b.scope(name, |b| relu_conv_bn(b, x, channels, 1, 1)),
        "nor_conv_3x3" => b.scope(name, |b| relu_conv_bn(b, x, channels, 3, 1)),
        _ => b.add(name, Op::AvgPool { kernel, stride, pad, count_padding: false }, &[x]),
    }
}

/// Halves the map: two 3x3 convolutions beside a mean pool with a 1x1 convolution.
fn residual_block(b: &mut GraphBuilder, x: NodeId, channels: usize) -> Result<NodeId, GraphError> {
    let y = b.scope("conv_a", |b| relu_conv_bn(b, x, channels, 3, 2))?;
    let y = b.scope("conv_b", |b| relu_conv_bn(b, y, channels, 3, 1))?;
    let shortcut = b.scope("downsample", |b| {
        let pool = Op::AvgPool { kernel: [2; 2], stride: [2; 2], pad: [0; 2], count_padding: true };
        let pooled = b.add("pool", pool, &[x])?;
        b.add("conv", Op::conv(channels, 1, 1, 0), &[pooled])
    })?;
    b.add("add", Op::Add, &[y, shortcut])
}

fn relu_conv_bn(
    b: &mut GraphBuilder,
    x: NodeId,
    channels: usize,
    kernel: usize,
    stride: usize,
) -> Result<NodeId, GraphError> {
    let y = b.add("relu", Op::Relu, &[x])?;
    let y = b.add("conv", Op::conv(channels, kernel, stride, kernel / 2), &[y])?;
    b.add("bn", Op::batch_norm(), &[y])
}
