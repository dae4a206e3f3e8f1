//! The candidates of an edge.

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};
use serde::{Deserialize, Serialize};

use crate::blocks::darts::{dil_conv, factorized_reduce, sep_conv};

/// A candidate, in the reference's index order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Dilated separable convolution, 3x3.
    #[serde(rename = "dil_conv_3x3")]
    DilConv3x3,
    /// Dilated separable convolution, 5x5.
    #[serde(rename = "dil_conv_5x5")]
    DilConv5x5,
    /// Separable convolution, 3x3, twice.
    #[serde(rename = "sep_conv_3x3")]
    SepConv3x3,
    /// Separable convolution, 5x5, twice.
    #[serde(rename = "sep_conv_5x5")]
    SepConv5x5,
    /// Max pool. The reference puts no normalisation after pools.
    #[serde(rename = "max_pool_3x3")]
    MaxPool3x3,
    /// Mean pool, padding counted.
    #[serde(rename = "avg_pool_3x3")]
    AvgPool3x3,
    /// The input itself, or a factorised reduction where the map is halved.
    #[serde(rename = "skip_connect")]
    SkipConnect,
    /// Zeros.
    #[serde(rename = "none")]
    None,
}

impl Operation {
    /// All of them in index order; `none` is the last.
    pub const ALL: [Self; 8] = [
        Self::DilConv3x3,
        Self::DilConv5x5,
        Self::SepConv3x3,
        Self::SepConv5x5,
        Self::MaxPool3x3,
        Self::AvgPool3x3,
        Self::SkipConnect,
        Self::None,
    ];

    /// Name, as architecture and genotype files hold it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DilConv3x3 => "dil_conv_3x3",
            Self::DilConv5x5 => "dil_conv_5x5",
            Self::SepConv3x3 => "sep_conv_3x3",
            Self::SepConv5x5 => "sep_conv_5x5",
            Self::MaxPool3x3 => "max_pool_3x3",
            Self::AvgPool3x3 => "avg_pool_3x3",
            Self::SkipConnect => "skip_connect",
            Self::None => "none",
        }
    }

    /// Appends it; channels stay.
    pub(super) fn append(self, b: &mut GraphBuilder, x: NodeId, stride: usize) -> Result<NodeId, GraphError> {
        let channels = b.shape(x).channels();
        let (kernel, strides, pad) = ([3; 2], [stride; 2], [1; 2]);
        match self {
            Self::DilConv3x3 => b.scope(self.name(), |b| dil_conv(b, x, channels, 3, stride)),
            Self::DilConv5x5 => b.scope(self.name(), |b| dil_conv(b, x, channels, 5, stride)),
            Self::SepConv3x3 => b.scope(self.name(), |b| sep_conv(b, x, channels, 3, stride)),
            Self::SepConv5x5 => b.scope(self.name(), |b| sep_conv(b, x, channels, 5, stride)),
            Self::MaxPool3x3 => b.add(self.name(), Op::MaxPool { kernel, stride: strides, pad }, &[x]),
            Self::AvgPool3x3 => {
                b.add(self.name(), Op::AvgPool { kernel, stride: strides, pad, count_padding: true }, &[x])
            }
            Self::SkipConnect if stride == 1 => b.add(self.name(), Op::Identity, &[x]),
            Self::SkipConnect => b.scope(self.name(), |b| factorized_reduce(b, x, channels)),
            Self::None => b.add(self.name(), Op::Zero { stride: strides }, &[x]),
        }
    }
}
