//! Removes nodes that hand their input on unchanged at inference.

use super::rewrite::{Fate, rewrite};
use crate::{Graph, Op};

/// Elides identities, dropout and drop path (inference), and merges of a single operand.
#[must_use]
pub fn elide_identities(graph: &Graph) -> Graph {
    rewrite(graph, |node, _| match (&node.op, &node.inputs[..]) {
        (Op::Identity | Op::Dropout { .. } | Op::DropPath { .. } | Op::Add | Op::Mul | Op::Concat { .. }, &[only]) => {
            Fate::Replace(only)
        }
        _ => Fate::Keep(node),
    })
}
