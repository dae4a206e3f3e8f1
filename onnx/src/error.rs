//! Errors of exporting graphs to ONNX and importing ONNX models.

use nasprof_graph::{GraphError, Shape};
use thiserror::Error;

/// A problem of a model or its weights.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OnnxError {
    /// An operation that ONNX does not have.
    #[error("node `{node}`: `{op}` has no counterpart in ONNX")]
    NoCounterpart {
        /// The node.
        node: String,
        /// Its operation.
        op: String,
    },
    /// An operation on 8-bit integers that reads floats.
    #[error("`{value}` is not a value of 8-bit integers")]
    NoIntegers {
        /// The value that it reads.
        value: String,
    },
    /// Larger than the format allows.
    #[error("the weights take {0} bytes; an ONNX file holds at most 2 GiB")]
    TooLarge(u64),
    /// Bytes that are no model.
    #[error("not an ONNX model: {0}")]
    Wire(#[from] prost::DecodeError),
    /// The bytes end within a field.
    #[error("not an ONNX model: it ends in the middle of a field, or a length is wrong")]
    Truncated,
    /// A model that cannot be read at all.
    #[error("the model cannot be read: {0}")]
    Model(String),
    /// More parts than any network has.
    #[error("the model is too large: more than {0} parts")]
    TooManyParts(usize),
    /// All unsupported operators of the model.
    #[error("{}", unsupported(.0))]
    Operators(Vec<Unsupported>),
    /// A shape for an input that the model does not have.
    #[error("the model has no input `{name}` (its inputs: {known}){hint}")]
    UnknownInput {
        /// The name given.
        name: String,
        /// The inputs' names.
        known: String,
        /// The nearest of these names, in words; empty if there is none.
        hint: String,
    },
    /// A shape that an input cannot have.
    #[error("input `{name}`: {problem}")]
    InputShape {
        /// The input.
        name: String,
        /// What does not fit.
        problem: String,
    },
    /// An input of another type than 32-bit floats.
    #[error("input `{name}` has type {kind}; only 32-bit floats are supported")]
    InputType {
        /// The input.
        name: String,
        /// Its type.
        kind: String,
    },
    /// An input with a size that the model leaves open.
    #[error("input `{name}` has no fixed size in dimension {axis} (`{dimension}`)")]
    OpenSize {
        /// The input.
        name: String,
        /// The first such dimension.
        axis: usize,
        /// The model's name of it; may be empty.
        dimension: String,
        /// Its sizes as in `1x3x?x?`.
        pattern: String,
    },
    /// A supported operator, used in a way that our operations do not have.
    #[error("node `{node}` ({op}): {problem}")]
    Node {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
        /// What is not supported or wrong.
        problem: String,
    },
    /// Shapes that do not fit.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Weights that are not a safetensors file.
    #[error("not a safetensors file: {0}")]
    Weights(String),
    /// A tensor that is not among the weights.
    #[error("the weights have no tensor `{name}`, which node `{node}` needs{hint}")]
    MissingTensor {
        /// The node.
        node: String,
        /// The tensor's name.
        name: String,
        /// The nearest known name, in words; empty if there is none.
        hint: String,
    },
    /// A tensor of another shape or type than the network needs.
    #[error("tensor `{name}` is {actual}, but node `{node}` needs 32-bit floats of shape {expected}")]
    WrongTensor {
        /// The node.
        node: String,
        /// The tensor's name.
        name: String,
        /// The shape that the node needs.
        expected: Shape,
        /// Its shape or type, in words.
        actual: String,
    },
}

/// Nodes of an unsupported operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The operator, with its domain unless that is ONNX's own.
    pub op: String,
    /// The first node.
    pub node: String,
    /// How many nodes.
    pub count: usize,
}

fn unsupported(all: &[Unsupported]) -> String {
    /// Most operators that a message lists; more are only counted.
    const MOST: usize = 20;
    let one = |unknown: &Unsupported| match unknown.count {
        1 => format!("`{}` (node `{}`)", unknown.op, unknown.node),
        count => format!("`{}` ({count} nodes, first `{}`)", unknown.op, unknown.node),
    };
    let mut named: Vec<String> = all.iter().take(MOST).map(one).collect();
    if all.len() > MOST {
        named.push(format!("and {} more", all.len() - MOST));
    }
    let plural = if all.len() == 1 { "this operator is" } else { "these operators are" };
    format!("{plural} not supported: {}", named.join(", "))
}
