//! Errors of space files.

use nasprof_base::suggest;
use nasprof_graph::GraphError;
use thiserror::Error;

/// A space file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpaceError {
    /// Not TOML, or a key or value that does not belong.
    #[error("{0}")]
    Syntax(String),
    /// A value that makes no sense.
    #[error("key `{key}`: {problem}")]
    Value {
        /// The key at fault.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// No built-in space of that name.
    #[error("no space `{name}`{}", suggest::did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// The network cannot be built.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl SpaceError {
    pub(super) fn value(key: &'static str, problem: impl Into<String>) -> Self {
        Self::Value { key, problem: problem.into() }
    }
}
