//! Errors of graphs: the node (where) and the reason (what).

use thiserror::Error;

use crate::Shape;

/// A graph that cannot be built, with the node at fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("node `{node}` ({op}): {kind}")]
pub struct GraphError {
    /// Full scoped name of the node.
    pub node: String,
    /// Name of its operation.
    pub op: String,
    /// What is wrong.
    pub kind: GraphErrorKind,
}

impl GraphError {
    /// The error of a node.
    #[must_use]
    pub fn new(node: impl Into<String>, op: impl Into<String>, kind: GraphErrorKind) -> Self {
        Self { node: node.into(), op: op.into(), kind }
    }
}

/// Why a node is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GraphErrorKind {
    /// Wrong number of inputs.
    #[error("takes {expected} inputs, got {actual}")]
    InputCount {
        /// What the operation takes, in words.
        expected: &'static str,
        /// What it was given.
        actual: usize,
    },
    /// Two inputs whose shapes do not fit each other.
    #[error("shapes {left} and {right} do not match")]
    ShapeMismatch {
        /// First shape.
        left: Shape,
        /// The shape that does not fit it.
        right: Shape,
    },
    /// An input of the wrong rank.
    #[error("needs an input of rank {expected}, got shape {actual}")]
    Rank {
        /// Number of dimensions wanted.
        expected: usize,
        /// Shape given.
        actual: Shape,
    },
    /// An input with too few dimensions.
    #[error("needs an input of rank {least} or more, got shape {actual}")]
    AtLeastRank {
        /// Number of dimensions wanted.
        least: usize,
        /// Shape given.
        actual: Shape,
    },
    /// A window (kernel, pool, crop) larger than its input.
    #[error("a window of {window} does not fit input {input} with its padding")]
    Window {
        /// Window size in words.
        window: String,
        /// Input shape.
        input: Shape,
    },
    /// An attribute that makes no sense.
    #[error("{0}")]
    Attribute(String),
    /// A tensor too large for any device: most likely a typing error.
    #[error("a tensor of shape {0} is too large (limit 2^36 elements)")]
    TooLarge(Shape),
    /// A dimension of zero.
    #[error("a tensor of shape {0} has no elements")]
    Empty(Shape),
    /// A reference to a node that does not come before it.
    #[error("input {0} does not come before the node: the graph has a cycle or a dangling reference")]
    Order(usize),
    /// The same name twice.
    #[error("duplicate name")]
    DuplicateName,
    /// A choice whose candidates disagree, or without candidates.
    #[error("choice `{choice}`: {problem}")]
    Choice {
        /// Name of the choice.
        choice: String,
        /// What is wrong with it.
        problem: String,
    },
    /// More nodes than any network has.
    #[error("more than {0} nodes")]
    TooManyNodes(usize),
}
