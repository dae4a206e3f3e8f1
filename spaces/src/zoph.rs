//! The one-shot space of Bender et al. (2018), after Zoph et al. (NNabla-NAS' `zoph`).

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};
use serde::{Deserialize, Serialize};

use super::checks;
use super::error::SpaceError;
use super::space::Space;
use crate::blocks::zoph::{pool_to_smallest, sep_conv_bn, with_bn_relu};

/// The one-shot space after Zoph and Bender: a stem of two convolutions and cells of blocks. A cell reads the two before it;
/// every block is a choice of an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZophSpec {
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// Classes: outputs of the network.
    pub num_classes: usize,
    /// Channels of the stem's two convolutions.
    pub stem_channels: usize,
    /// Kernels of the stem's two convolutions, odd.
    #[serde(default = "stem_kernels")]
    pub stem_kernels: [usize; 2],
    /// The cells, first to last.
    pub cells: Vec<ZophCell>,
    /// Candidates of every block.
    pub candidates: Vec<ZophOperation>,
}

fn stem_kernels() -> [usize; 2] {
    [7, 3]
}

/// A cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZophCell {
    /// Channels of its inputs and blocks.
    pub channels: usize,
    /// Blocks.
    pub blocks: usize,
    /// Whether it halves the map.
    pub reducing: bool,
}

/// A candidate of a block; channels and size stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ZophOperation {
    /// Separable convolution twice, 3x3.
    #[serde(rename = "sep_conv_3x3")]
    SepConv3x3,
    /// Separable convolution twice, 5x5.
    #[serde(rename = "sep_conv_5x5")]
    SepConv5x5,
    /// Dilated separable convolution twice, 3x3.
    #[serde(rename = "dil_sep_conv_3x3")]
    DilSepConv3x3,
    /// Dilated separable convolution twice, 5x5.
    #[serde(rename = "dil_sep_conv_5x5")]
    DilSepConv5x5,
    /// Max pool with normalisation.
    #[serde(rename = "max_pool_3x3")]
    MaxPool3x3,
    /// Mean pool with normalisation.
    #[serde(rename = "avg_pool_3x3")]
    AvgPool3x3,
    /// The block's input.
    #[serde(rename = "identity")]
    Identity,
    /// Zeros: the block's own concatenation and convolution are not needed either.
    #[serde(rename = "zero")]
    Zero,
}

impl ZophOperation {
    /// Name, as architecture files hold it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SepConv3x3 => "sep_conv_3x3",
            Self::SepConv5x5 => "sep_conv_5x5",
            Self::DilSepConv3x3 => "dil_sep_conv_3x3",
            Self::DilSepConv5x5 => "dil_sep_conv_5x5",
            Self::MaxPool3x3 => "max_pool_3x3",
            Self::AvgPool3x3 => "avg_pool_3x3",
            Self::Identity => "identity",
            Self::Zero => "zero",
        }
    }

    fn append(self, b: &mut GraphBuilder, x: NodeId) -> Result<NodeId, GraphError> {
        let (kernel, stride, pad) = ([3; 2], [1; 2], [1; 2]);
        b.scope(self.name(), |b| match self {
            Self::SepConv3x3 => sep_conv_bn(b, x, 3, 1),
            Self::SepConv5x5 => sep_conv_bn(b, x, 5, 1),
            Self::DilSepConv3x3 => sep_conv_bn(b, x, 3, 2),
            Self::DilSepConv5x5 => sep_conv_bn(b, x, 5, 2),
            Self::MaxPool3x3 => with_bn_relu(b, x, "pool", Op::MaxPool { kernel, stride, pad }),
            Self::AvgPool3x3 => with_bn_relu(b, x, "pool", Op::AvgPool { kernel, stride, pad, count_padding: true }),
            Self::Identity => b.add("identity", Op::Identity, &[x]),
            Self::Zero => b.add("zero", Op::Zero { stride }, &[x]),
        })
    }
}

/// Bound that keeps a typing error from building for minutes.
const MAX_BLOCKS: usize = 500;

impl ZophSpec {
    pub(super) fn build(&self, name: &str) -> Result<Space, SpaceError> {
        self.check()?;
        let mut b = GraphBuilder::new();
        let [channels, height, width] = self.input;
        let x = b.input("input", [1, channels, height, width])?;
        let conv = |kernel: usize| Op::conv(self.stem_channels, kernel, 1, kernel / 2).with_bias();
        let first = b.scope("stem/0", |b| with_bn_relu(b, x, "conv", conv(self.stem_kernels[0])))?;
        let second = b.scope("stem/1", |b| with_bn_relu(b, first, "conv", conv(self.stem_kernels[1])))?;
        let mut before = [first, second];
        for (i, cell) in self.cells.iter().enumerate() {
            let output = b.scope(format!("cells/{i}"), |b| self.cell(b, *cell, before))?;
            before = [before[1], output];
        }
        let y = b.scope("classifier", |b| {
            let y = with_bn_relu(b, before[1], "conv", Op::conv(self.num_classes, 1, 1, 0).with_bias())?;
            let y = b.add("pool", Op::GlobalAvgPool, &[y])?;
            b.add("flatten", Op::Flatten, &[y])
        })?;
        Ok(Space::new(name, b.build(&[y])?))
    }

    /// Projected inputs and all blocks, side by side.
    fn cell(&self, b: &mut GraphBuilder, cell: ZophCell, before: [NodeId; 2]) -> Result<NodeId, GraphError> {
        let mut projected = Vec::new();
        for (i, x) in before.into_iter().enumerate() {
            let conv = Op::conv(cell.channels, 1, 1, 0);
            projected.push(b.scope(format!("input_{i}"), |b| with_bn_relu(b, x, "conv", conv))?);
        }
        let mut values = pool_to_smallest(b, &projected)?;
        if cell.reducing {
            for (i, value) in values.iter_mut().enumerate() {
                let halve = Op::MaxPool { kernel: [2; 2], stride: [2; 2], pad: [0; 2] };
                *value = b.add(&format!("reduce_{i}"), halve, &[*value])?;
            }
        }
        for i in 0..cell.blocks {
            values.push(b.scope("blocks", |b| self.block(b, &i.to_string(), cell.channels, &values))?);
        }
        b.add("concat", Op::Concat { axis: 1 }, &values)
    }

    /// All earlier values, mixed to the cell's channels, then a choice.
    fn block(
        &self,
        b: &mut GraphBuilder,
        name: &str,
        channels: usize,
        values: &[NodeId],
    ) -> Result<NodeId, GraphError> {
        let built = b.scope(name, |b| {
            let x = b.add("concat", Op::Concat { axis: 1 }, values)?;
            let x = b.add("conv", Op::conv(channels, 1, 1, 0).with_bias(), &[x])?;
            self.candidates.iter().map(|op| Ok((op.name().to_owned(), op.append(b, x)?))).collect()
        })?;
        b.choice(name, built)
    }

    fn check(&self) -> Result<(), SpaceError> {
        checks::channels("stem_channels", self.stem_channels)?;
        for kernel in self.stem_kernels {
            checks::kernel("stem_kernels", kernel)?;
        }
        if self.cells.is_empty() {
            return Err(SpaceError::value("cells", "the list is empty"));
        }
        let blocks = self.cells.iter().try_fold(0_usize, |sum, c| sum.checked_add(c.blocks));
        if self.cells.len() > MAX_BLOCKS || blocks.is_none_or(|n| n > MAX_BLOCKS) {
            return Err(SpaceError::value("cells", format!("more than {MAX_BLOCKS} blocks")));
        }
        if self.candidates.is_empty() {
            return Err(SpaceError::value("candidates", "the list is empty"));
        }
        for (i, candidate) in self.candidates.iter().enumerate() {
            if self.candidates[..i].contains(candidate) {
                return Err(SpaceError::value("candidates", format!("`{}` is listed twice", candidate.name())));
            }
        }
        let reductions = self.cells.iter().filter(|c| c.reducing).count() as u32;
        checks::image(self.input, 2_usize.saturating_pow(reductions))
    }
}
