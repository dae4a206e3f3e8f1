//! The nodes of a profile, and the errors of reading one.

use thiserror::Error;

/// A profile that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// It does not have the format of ONNX Runtime.
    #[error("is not a profile of ONNX Runtime: {0}")]
    Format(String),
    /// It is too large.
    #[error("has more than {0}")]
    TooLarge(String),
    /// No run of the model is in it.
    #[error("contains no run of a model")]
    Empty,
}

/// A kernel that ran: a node of the optimised model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProfiledNode {
    /// Name of the node.
    pub name: String,
    /// Its operator, without the domain.
    pub operator: String,
    /// Execution provider that ran it.
    pub provider: String,
    /// Its number in the optimised graph.
    pub index: u64,
    /// Type and shape of each input, as in the first run.
    pub inputs: Vec<TensorType>,
    /// Type and shape of each output, as in the first run.
    pub outputs: Vec<TensorType>,
    /// Bytes of its parameters.
    pub parameter_bytes: u64,
    /// Bytes of its outputs.
    pub output_bytes: u64,
}

/// Type and shape of a tensor in a profile.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// The element's type in the runtime's words, such as `float` or `int64`.
    pub element: String,
    /// The shape; empty for a scalar.
    pub shape: Vec<u64>,
}
