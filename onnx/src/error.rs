//! Errors of exporting graphs to ONNX and importing ONNX models.

use nasprof_graph::{GraphError, Shape};
use thiserror::Error;

/// What is wrong with a model or its weights.
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
    /// Larger than the format allows.
    #[error("the weights take {0} bytes; an ONNX file holds at most 2 GiB")]
    TooLarge(u64),
    /// Bytes that are no model.
    #[error("not an ONNX model: {0}")]
    Wire(#[from] prost::DecodeError),
    /// The bytes end within a field.
    #[error("not an ONNX model: it ends in the middle of a field, or a length is wrong")]
    Truncated,
    /// A model that as a whole cannot be read.
    #[error("the model cannot be read: {0}")]
    Model(String),
    /// More parts than any network has.
    #[error("the model is too large: more than {0} parts")]
    TooManyParts(usize),
    /// An operator that is not read.
    #[error("node `{node}`: operator `{op}` is not supported (supported: {supported})")]
    Operator {
        /// The node.
        node: String,
        /// Its operator, with its domain unless that is ONNX's own.
        op: String,
        /// The operators that are.
        supported: String,
    },
    /// An operator that is read, used in a way that our operations do not have.
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
    /// A tensor of another shape or type than the network's.
    #[error("tensor `{name}` is {actual}, but node `{node}` needs 32-bit floats of shape {expected}")]
    WrongTensor {
        /// The node.
        node: String,
        /// The tensor's name.
        name: String,
        /// What it should be.
        expected: Shape,
        /// What it is, in words.
        actual: String,
    },
}
