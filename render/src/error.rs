//! Errors of pictures.

use std::io;
use std::path::Path;

use thiserror::Error;

/// A picture that cannot be drawn or written.
#[derive(Debug, Error)]
pub enum RenderError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// A picture cannot be turned into pixels.
    #[error("the picture cannot be drawn: {0}")]
    Picture(String),
}

impl RenderError {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }
}
