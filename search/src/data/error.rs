//! Errors of images and data sets.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// An image that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name}: {problem}")]
pub struct Corrupt {
    /// Its file, or its number in the data set.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

/// A data set that cannot be used.
#[derive(Debug, Error)]
pub enum DataError {
    /// A file or folder of the data set is missing.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The missing file or folder.
        path: PathBuf,
        /// What to install or download, and where to put it.
        hint: String,
    },
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has the wrong format.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The data set has too few images.
    #[error("{0}")]
    TooFew(String),
    /// A transform that does not fit the images.
    #[error("{0}")]
    Transform(String),
    /// Too many images cannot be read.
    #[error("{} images are unreadable (limit {limit}); the last: {last}", limit + 1)]
    TooManyCorrupt {
        /// Maximum number of skipped images.
        limit: usize,
        /// The image that exceeds the limit.
        last: Corrupt,
    },
    /// No image of a batch can be read.
    #[error("no image of the batch is readable; the first: {0}")]
    EmptyBatch(Corrupt),
}

impl DataError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { hint, .. } => Some(hint.clone()),
            Self::Format { .. } => {
                Some("the file is damaged or has another format; download or install it again".to_owned())
            }
            Self::TooManyCorrupt { .. } => Some("repair the data set, or raise `data.max_corrupt`".to_owned()),
            _ => None,
        }
    }

    pub(super) fn format(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self::Format { path: path.into(), problem: problem.into() }
    }

    /// An error of the system: a missing file gets the data set's own hint.
    pub(super) fn io(path: impl Into<PathBuf>, source: io::Error, hint: &str) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path, hint: hint.to_owned() },
            _ => Self::File { path, source },
        }
    }
}
