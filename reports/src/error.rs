//! What can be wrong with a report.

use std::io;
use std::path::Path;

use thiserror::Error;

/// A report or picture that cannot be made.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what its name says.
    #[error("{path}: {problem}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A picture cannot be turned into pixels.
    #[error("the picture cannot be drawn: {0}")]
    Picture(String),
}

impl ReportError {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    pub(crate) fn format(path: &Path, problem: impl Into<String>) -> Self {
        Self::Format { path: path.display().to_string(), problem: problem.into() }
    }
}
