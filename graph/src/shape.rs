//! Tensor shapes, batch first: `(N, C, H, W)` or `(N, features)`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// No tensor of a real network comes near this; beyond it sizes are a typing error and products could overflow.
const MAX_ELEMENTS: u64 = 1 << 36;

/// A tensor's dimensions, batch first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape(pub Vec<usize>);

impl Shape {
    /// Number of elements. Shapes in a built [`Graph`](crate::Graph) are checked, so this cannot overflow there.
    #[must_use]
    pub fn elements(&self) -> u64 {
        self.0.iter().map(|&d| d as u64).product()
    }

    /// Whether every dimension is at least one and the product is below 2^36.
    #[must_use]
    pub fn is_sane(&self) -> bool {
        self.0
            .iter()
            .try_fold(1_u64, |total, &d| total.checked_mul(d as u64).filter(|&t| t > 0 && t <= MAX_ELEMENTS))
            .is_some()
    }

    /// Number of dimensions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Batch size.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.0.first().copied().unwrap_or(1)
    }

    /// Channels (or features): the second dimension.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.0.get(1).copied().unwrap_or(1)
    }

    /// `CxHxW`: the text of all dimensions but the batch, as LUT keys use it.
    #[must_use]
    pub fn without_batch(&self) -> String {
        join(&self.0[1.min(self.0.len())..])
    }
}

pub(crate) fn join(dims: &[usize]) -> String {
    dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x")
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self(dims.to_vec())
    }
}
