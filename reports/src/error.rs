//! Errors of reports.

use std::io;
use std::path::Path;

use nasprof_render::RenderError;
use nasprof_search::folder::FolderError;
use thiserror::Error;

/// A report that cannot be made.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A picture in it cannot be drawn, or the report cannot be written.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A file of a finished run was altered.
    #[error(transparent)]
    Run(#[from] FolderError),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// The content of a file does not match its name.
    #[error("{path}: {problem}")]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

impl ReportError {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    pub(crate) fn format(path: &Path, problem: impl Into<String>) -> Self {
        Self::Format { path: path.display().to_string(), problem: problem.into() }
    }
}
