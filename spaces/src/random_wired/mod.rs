//! Randomly wired networks (Xie et al. 2019): a seeded small-world graph whose vertices are layers.
//!
//! The seed determines the wiring, the channels of each vertex and whether it halves its map, so a network can be
//! built again. The operation of a vertex can be a choice. Unlike NNabla-NAS', the separable convolutions are
//! separable and the classifier has the requested number of classes.

mod wiring;

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use self::wiring::watts_strogatz;
use super::checks;
use super::error::SpaceError;
use super::space::Space;
use crate::blocks::zoph::{pool_to_smallest, with_bn_relu};

/// Randomly wired networks: a seeded small-world graph whose vertices sum their inputs and do one operation. What a vertex
/// does can be a choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomWiredSpec {
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// Classes: outputs of the network.
    pub num_classes: usize,
    /// Seed of all that is random.
    pub seed: u64,
    /// Vertices, input and output not counted.
    pub vertices: usize,
    /// Neighbours of a vertex before rewiring.
    pub neighbours: usize,
    /// Probability that an edge is rewired, in [0, 1].
    pub rewiring: f64,
    /// Fewest channels of a vertex.
    pub min_channels: usize,
    /// One more than the most channels of a vertex.
    pub max_channels: usize,
    /// Whether the operation of each vertex is a choice; otherwise the seed draws it as well.
    pub choose_operations: bool,
    /// What is drawn for a vertex; one that is listed more often is drawn more often. A choice is among those that keep
    /// the map's size or among those that halve it, as drawn. Without the key: three times each of `sum`, `sep_conv_3x3` and
    /// `sep_conv_5x5`, once each of `max_pool_2x2` and `avg_pool_2x2`.
    #[serde(default = "candidates")]
    pub candidates: Vec<VertexOperation>,
}

/// What a vertex does with the sum of its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VertexOperation {
    /// Nothing more.
    #[serde(rename = "sum")]
    Sum,
    /// Depthwise separable convolution, 3x3.
    #[serde(rename = "sep_conv_3x3")]
    SepConv3x3,
    /// Depthwise separable convolution, 5x5.
    #[serde(rename = "sep_conv_5x5")]
    SepConv5x5,
    /// Max pool that halves the map.
    #[serde(rename = "max_pool_2x2")]
    MaxPool2x2,
    /// Mean pool that halves the map.
    #[serde(rename = "avg_pool_2x2")]
    AvgPool2x2,
}

use VertexOperation::{AvgPool2x2, MaxPool2x2, SepConv3x3, SepConv5x5, Sum};

/// The reference draws from this list: a vertex halves its map with probability 2 / 11.
fn candidates() -> Vec<VertexOperation> {
    let mut candidates = [Sum, SepConv3x3, SepConv5x5].repeat(3);
    candidates.extend([MaxPool2x2, AvgPool2x2]);
    candidates
}

const MAX_CANDIDATES: usize = 1000;

/// Bounds that keep a typing error from building for minutes.
const MAX_VERTICES: usize = 500;
const MAX_EDGES: usize = 5000;

impl VertexOperation {
    fn halves(self) -> bool {
        matches!(self, MaxPool2x2 | AvgPool2x2)
    }

    fn name(self) -> &'static str {
        match self {
            Sum => "sum",
            SepConv3x3 => "sep_conv_3x3",
            SepConv5x5 => "sep_conv_5x5",
            MaxPool2x2 => "max_pool_2x2",
            AvgPool2x2 => "avg_pool_2x2",
        }
    }

    fn append(self, b: &mut GraphBuilder, x: NodeId) -> Result<NodeId, GraphError> {
        let channels = b.shape(x).channels();
        let (kernel, stride, pad) = ([2; 2], [2; 2], [0; 2]);
        let mut separable = |kernel: usize| {
            b.scope(self.name(), |b| {
                let depthwise = Op::conv(channels, kernel, 1, kernel / 2).with_groups(channels).with_bias();
                let y = b.add("dw", depthwise, &[x])?;
                with_bn_relu(b, y, "pw", Op::conv(channels, 1, 1, 0).with_bias())
            })
        };
        match self {
            Sum => b.add(self.name(), Op::Identity, &[x]),
            SepConv3x3 => separable(3),
            SepConv5x5 => separable(5),
            MaxPool2x2 => b.add(self.name(), Op::MaxPool { kernel, stride, pad }, &[x]),
            AvgPool2x2 => b.add(self.name(), Op::AvgPool { kernel, stride, pad, count_padding: true }, &[x]),
        }
    }
}

impl RandomWiredSpec {
    pub(super) fn build(&self, name: &str) -> Result<Space, SpaceError> {
        self.check()?;
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let parents = watts_strogatz(self.vertices, self.neighbours, self.rewiring, &mut rng);
        let mut b = GraphBuilder::new();
        let [channels, height, width] = self.input;
        let input = b.input("input", [1, channels, height, width])?;
        let mut values: Vec<NodeId> = Vec::with_capacity(self.vertices);
        let mut is_sink = vec![true; self.vertices];
        for (vertex, parents) in parents.iter().enumerate() {
            for &parent in parents {
                is_sink[parent] = false;
            }
            let mut operands: Vec<NodeId> = parents.iter().map(|&p| values[p]).collect();
            if operands.is_empty() {
                operands.push(input);
            }
            values.push(b.scope("vertices", |b| self.vertex(b, &vertex.to_string(), &operands, &mut rng))?);
        }
        let sinks: Vec<NodeId> = values.iter().zip(is_sink).filter(|(_, sink)| *sink).map(|(&id, _)| id).collect();
        let channels = rng.random_range(self.min_channels..self.max_channels);
        let output = b.scope("output", |b| gather(b, &sinks, channels))?;
        let y = b.scope("classifier", |b| {
            let y = b.add("pool", Op::GlobalAvgPool, &[output])?;
            let y = b.add("flatten", Op::Flatten, &[y])?;
            b.add("linear", Op::Linear { out_features: self.num_classes, bias: true }, &[y])
        })?;
        Ok(Space::new(name, b.build(&[y])?))
    }

    fn vertex(
        &self,
        b: &mut GraphBuilder,
        name: &str,
        operands: &[NodeId],
        rng: &mut ChaCha8Rng,
    ) -> Result<NodeId, GraphError> {
        let channels = rng.random_range(self.min_channels..self.max_channels);
        let mut drawn = self.candidates.choose(rng).copied().unwrap_or(Sum);
        let built = b.scope(name, |b| {
            let x = gather(b, operands, channels)?;
            // A map of one row or column cannot be halved: the vertex keeps its size instead.
            let smallest = b.shape(x).0.iter().skip(2).min().copied().unwrap_or(1);
            if drawn.halves() && smallest < 2 {
                drawn = Sum;
            }
            let mut candidates = vec![drawn];
            if self.choose_operations {
                candidates.clear();
                for &op in self.candidates.iter().chain([&drawn]) {
                    if op.halves() == drawn.halves() && !candidates.contains(&op) {
                        candidates.push(op);
                    }
                }
            }
            candidates.iter().map(|op| Ok((op.name().to_owned(), op.append(b, x)?))).collect::<Result<Vec<_>, _>>()
        })?;
        match built[..] {
            [(_, only)] => Ok(only),
            _ => b.choice(name, built),
        }
    }

    fn check(&self) -> Result<(), SpaceError> {
        checks::within("vertices", self.vertices, 1..=MAX_VERTICES)?;
        checks::within("candidates", self.candidates.len(), 1..=MAX_CANDIDATES)?;
        checks::within("neighbours", self.neighbours, 0..=self.vertices - 1)?;
        if self.vertices * self.neighbours > 2 * MAX_EDGES {
            return Err(SpaceError::value("neighbours", format!("more than {MAX_EDGES} edges")));
        }
        if !(0.0..=1.0).contains(&self.rewiring) {
            return Err(SpaceError::value("rewiring", format!("{} is not in [0, 1]", self.rewiring)));
        }
        if self.min_channels == 0 || self.max_channels <= self.min_channels {
            let range = format!("{} to {}", self.min_channels, self.max_channels);
            return Err(SpaceError::value(
                "max_channels",
                format!("the range {range} is empty or starts at 0 (the end is excluded)"),
            ));
        }
        checks::image(self.input, 1)
    }
}

/// Projects each operand to `channels`, pools it to the smallest size, and sums all.
fn gather(b: &mut GraphBuilder, operands: &[NodeId], channels: usize) -> Result<NodeId, GraphError> {
    let mut projected = Vec::with_capacity(operands.len());
    for (i, &x) in operands.iter().enumerate() {
        let conv = Op::conv(channels, 1, 1, 0).with_bias();
        projected.push(b.scope(format!("input_{i}"), |b| with_bn_relu(b, x, "conv", conv))?);
    }
    let same_size = pool_to_smallest(b, &projected)?;
    if let [only] = same_size[..] { Ok(only) } else { b.add("add", Op::Add, &same_size) }
}
