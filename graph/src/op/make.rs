//! Constructors of operations with common attributes.

use super::{Function, Op};

impl Op {
    /// A function of each element, without parameters.
    #[must_use]
    pub fn elementwise(function: Function) -> Self {
        Self::Elementwise { function, parameters: Vec::new() }
    }

    /// A convolution with equal height and width attributes.
    #[must_use]
    pub fn conv(out_channels: usize, kernel: usize, stride: usize, pad: usize) -> Self {
        Self::Conv {
            out_channels,
            kernel: [kernel; 2],
            stride: [stride; 2],
            pad: [pad; 2],
            dilation: [1; 2],
            groups: 1,
            bias: false,
            activation: None,
        }
    }

    /// The same convolution with a bias; other operations are returned as they are.
    #[must_use]
    pub fn with_bias(mut self) -> Self {
        if let Self::Conv { bias, .. } | Self::Linear { bias, .. } | Self::ConvNd { bias, .. } = &mut self {
            *bias = true;
        }
        self
    }

    /// The same convolution in groups; other operations are returned as they are.
    #[must_use]
    pub fn with_groups(mut self, count: usize) -> Self {
        if let Self::Conv { groups, .. } = &mut self {
            *groups = count;
        }
        self
    }

    /// The same convolution dilated; other operations are returned as they are.
    #[must_use]
    pub fn with_dilation(mut self, by: usize) -> Self {
        if let Self::Conv { dilation, .. } = &mut self {
            *dilation = [by; 2];
        }
        self
    }

    /// Batch normalisation with the reference's epsilon of 1e-5.
    #[must_use]
    pub fn batch_norm() -> Self {
        Self::BatchNorm { epsilon: 1e-5 }
    }
}
