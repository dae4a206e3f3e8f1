//! Problems of a query or a file.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

/// A query that has no answer.
#[derive(Debug, Error)]
pub enum Problem {
    /// A file or folder with the wrong content.
    #[error("{path}: {problem}")]
    Source {
        /// Its name.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Tables cannot get the requested names.
    #[error("{0}")]
    Names(String),
    /// A problem in the text of the query.
    #[error("{}{problem}", place(*at))]
    Sql {
        /// Line and column, from 1, if they are known.
        at: Option<(u64, u64)>,
        /// What is wrong there.
        problem: String,
        /// A suggestion.
        hint: Option<String>,
    },
    /// The output file cannot be used.
    #[error("-o {path}: {problem}")]
    Output {
        /// Its name.
        path: String,
        /// Why it cannot be written.
        problem: String,
    },
    /// Writing the answer to the output file failed, for example because the disk is full.
    #[error("-o {path}: {problem}")]
    Write {
        /// Its name.
        path: String,
        /// What went wrong.
        problem: String,
    },
    /// Writing to stdout failed.
    #[error("cannot write to stdout: {0}")]
    Print(std::io::Error),
    /// A fault of this program.
    #[error("the query failed inside polars: {0}")]
    Internal(String),
}

fn place(at: Option<(u64, u64)>) -> String {
    at.map_or_else(String::new, |(line, column)| format!("line {line}, column {column}: "))
}

impl Problem {
    /// The problem of a file or folder. A message that begins with the path does not repeat it.
    pub(crate) fn source(path: &str, problem: impl fmt::Display) -> Self {
        let problem = problem.to_string();
        let problem = problem.strip_prefix(&format!("{path}: ")).map_or(problem.clone(), ToOwned::to_owned);
        Self::Source { path: path.to_owned(), problem }
    }

    /// A problem in a query, without a position.
    pub(crate) fn sql(problem: impl fmt::Display) -> Self {
        Self::Sql { at: None, problem: problem.to_string(), hint: None }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Sql { hint: Some(hint), .. } => Some(hint.clone()),
            Self::Sql { .. } => Some("--schema lists the tables and their columns".to_owned()),
            Self::Names(_) => Some("name the table of a file with NAME=PATH".to_owned()),
            Self::Source { .. } | Self::Output { .. } | Self::Write { .. } | Self::Print(_) | Self::Internal(_) => None,
        }
    }

    /// Whether the user's input is at fault, instead of this program or the disk.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Write { .. } | Self::Print(_) | Self::Internal(_))
    }
}

/// A problem in the form for the program that started this one.
#[derive(Debug, Serialize)]
pub struct Reported {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl From<&Problem> for Reported {
    fn from(problem: &Problem) -> Self {
        Self { message: problem.to_string(), hint: problem.hint() }
    }
}
