//! Errors of building and running networks on libtorch.

use nasprof_graph::arch::ArchError;
use tch::TchError;
use thiserror::Error;

/// A network that cannot be built or run.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// libtorch refused an operation of a node.
    #[error("layer `{node}`: {message}")]
    Layer {
        /// The node.
        node: String,
        /// First line of libtorch's message.
        message: String,
    },
    /// libtorch refused something else.
    #[error("libtorch: {0}")]
    Torch(String),
    /// Data that does not fit the network.
    #[error("{0}")]
    Data(String),
    /// An architecture that is not one of the space.
    #[error(transparent)]
    Arch(#[from] ArchError),
}

impl From<TchError> for NetworkError {
    fn from(error: TchError) -> Self {
        Self::Torch(first_line(&error))
    }
}

/// The first line of libtorch's message; a C++ stack trace follows it.
pub(crate) fn first_line(error: &TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
