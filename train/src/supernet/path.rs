//! The path of a pass through the supernet.

use nasprof_graph::Arch;
use tch::Tensor;

/// The behaviour of a supernet's choices in one pass.
#[derive(Debug, Clone, Copy)]
pub enum Path<'a> {
    /// Every choice returns its selected candidate; the others are not computed.
    Selected(&'a Arch),
    /// Every choice is the sum of its candidates, weighted by one tensor of probabilities per choice (`full` mode).
    Mixed(&'a [Tensor]),
    /// Every choice is the sum of two of its candidates, weighted by one tensor of two gates per choice.
    Gated(&'a [[u16; 2]], &'a [Tensor]),
}

/// The value of a node.
#[derive(Debug)]
pub(super) enum Value {
    Tensor(Tensor),
    /// Zeros, which are not computed.
    Zeros,
}
