//! What is wrong with a query or a file.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

/// A query that has no answer.
#[derive(Debug, Error)]
pub enum Problem {
    /// A file or folder that is not what it should be.
    #[error("{path}: {problem}")]
    Source {
        /// Its name.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Tables cannot be named as asked for.
    #[error("{0}")]
    Names(String),
    /// The text of the query.
    #[error("{}{problem}", place(*at))]
    Sql {
        /// Line and column, from 1, where they are known.
        at: Option<(u64, u64)>,
        /// What is wrong there.
        problem: String,
        /// What might have been meant.
        hint: Option<String>,
    },
    /// The output.
    #[error("-o {path}: {problem}")]
    Output {
        /// Its name.
        path: String,
        /// Why it is not written.
        problem: String,
    },
    /// The output, in the middle of the answer: a full disk.
    #[error("-o {path}: {problem}")]
    Write {
        /// Its name.
        path: String,
        /// What went wrong.
        problem: String,
    },
    /// The standard output.
    #[error("cannot write to the standard output: {0}")]
    Print(std::io::Error),
    /// A fault of this program.
    #[error("the query failed inside polars: {0}")]
    Internal(String),
}

fn place(at: Option<(u64, u64)>) -> String {
    at.map_or_else(String::new, |(line, column)| format!("line {line}, column {column}: "))
}

impl Problem {
    /// A file or folder with what is wrong with it. Messages that begin with the path keep it once.
    pub(crate) fn source(path: &str, problem: impl fmt::Display) -> Self {
        let problem = problem.to_string();
        let problem = problem.strip_prefix(&format!("{path}: ")).map_or(problem.clone(), ToOwned::to_owned);
        Self::Source { path: path.to_owned(), problem }
    }

    /// Something wrong in a query.
    pub(crate) fn sql(problem: impl fmt::Display) -> Self {
        Self::Sql { at: None, problem: problem.to_string(), hint: None }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Sql { hint: Some(hint), .. } => Some(hint.clone()),
            Self::Sql { .. } => Some("--schema lists the tables and their columns".to_owned()),
            Self::Names(_) => Some("NAME=PATH names a file's table".to_owned()),
            Self::Source { .. } | Self::Output { .. } | Self::Write { .. } | Self::Print(_) | Self::Internal(_) => None,
        }
    }

    /// Whether the user's input is at fault, and not this program or the disk.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Write { .. } | Self::Print(_) | Self::Internal(_))
    }
}

/// A problem as it is handed to the program that started this one.
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
