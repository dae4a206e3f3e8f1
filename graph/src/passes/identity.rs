//! Removes nodes that return their input unchanged at inference.

use super::rewrite::{Fate, rewrite};
use crate::{Graph, Op};

/// Elides identities, dropout and drop path (inference), and merges of a single operand.
#[must_use]
pub fn elide_identities(graph: &Graph) -> Graph {
    rewrite(graph, |node, _| match node.inputs[..] {
        [only] if forwards_input(&node.op) => Fate::Replace(only),
        _ => Fate::Keep(node),
    })
}

/// Whether the operation returns a single operand unchanged.
pub(crate) fn forwards_input(op: &Op) -> bool {
    matches!(op, Op::Identity | Op::Dropout { .. } | Op::DropPath { .. } | Op::Add | Op::Mul | Op::Concat { .. })
}
