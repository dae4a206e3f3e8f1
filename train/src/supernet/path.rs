//! The path of a pass through the supernet.

use nasprof_graph::Arch;
use tch::Tensor;

/// What the choices of a supernet do in one pass.
#[derive(Debug, Clone, Copy)]
pub enum Path<'a> {
    /// Every choice hands its selected candidate on; nothing else is computed or kept.
    Selected(&'a Arch),
    /// Every choice is the sum of its candidates, weighted by one tensor of probabilities per choice (`full` mode).
    Mixed(&'a [Tensor]),
    /// Every choice is the sum of two of its candidates, weighted by one tensor of two gates per choice.
    Gated(&'a [[u16; 2]], &'a [Tensor]),
}

/// What a node gives.
#[derive(Debug)]
pub(super) enum Value {
    Tensor(Tensor),
    /// Known to be zeros, not computed.
    Zeros,
}
