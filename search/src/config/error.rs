//! Errors of experiments.

use std::io;

use nasprof_lut::LutError;
use nasprof_spaces::SpaceError;
use thiserror::Error;

use crate::data::DataError;

/// An experiment that cannot be run.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Neither TOML nor JSON.
    #[error("{0}")]
    Syntax(String),
    /// A key that is unknown, missing or has a value that makes no sense.
    #[error("key `{key}`: {problem}")]
    Key {
        /// The key, with the tables it is in.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// An override that is not of the form `key=value`, or whose key does not fit.
    #[error("override `{text}`: {problem}")]
    Override {
        /// The override as given.
        text: String,
        /// What is wrong.
        problem: String,
    },
    /// The space cannot be built.
    #[error("key `space`: {0}")]
    Space(#[from] SpaceError),
    /// The images are missing or damaged.
    #[error("key `data`: {0}")]
    Data(#[from] DataError),
    /// A LUT cannot be read, or belongs to another space.
    #[error("key `{key}`: {source}")]
    Lut {
        /// The key that names the LUT.
        key: String,
        /// What is wrong.
        source: LutError,
    },
}

impl ConfigError {
    pub(super) fn key(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Key { key: key.into(), problem: problem.into() }
    }

    /// What to do about it, if the message does not already say so.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(error) => error.hint(),
            Self::Override { .. } => {
                Some("a setting is table.key=value; numbers index the tables of a list".to_owned())
            }
            Self::Space(_) => Some("`nasprof space list` lists the spaces; a space can also be a TOML file".to_owned()),
            Self::Lut { source: LutError::Timing(_), .. } => {
                Some("measure the space on a GPU that reports it, or remove `timing`".to_owned())
            }
            Self::Lut { .. } => Some("name a LUT of this space; `nasprof measure` creates one".to_owned()),
            _ => None,
        }
    }
}
