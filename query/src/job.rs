//! The job that `nasprof query` passes to this program.

use std::path::PathBuf;

use serde::Deserialize;

/// A query, its sources, and the form of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Version of the program that asks.
    pub version: String,
    /// The query; without it the tables are described.
    pub sql: Option<String>,
    /// Files, folders and patterns, each perhaps as `NAME=PATH`.
    pub sources: Vec<String>,
    /// How the answer is printed.
    pub format: Format,
    /// File for the answer, instead of printing it.
    pub output: Option<PathBuf>,
    /// Most rows of a printed table; 0: all.
    pub rows: usize,
    /// Columns of the terminal; absent if the output is no terminal.
    pub width: Option<usize>,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object for each row.
    Json,
    /// CSV with a header line.
    Csv,
}
