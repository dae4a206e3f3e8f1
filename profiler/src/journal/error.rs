//! Errors of journals.

use thiserror::Error;

/// A journal that cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A damaged line.
    #[error("line {line}: {problem}")]
    Damaged {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// No header, or one of another version.
    #[error("{0}")]
    Header(String),
    /// Another process writes to it.
    #[error("{0} is in use by another measurement")]
    InUse(String),
}
