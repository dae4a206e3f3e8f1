//! What is asked for, as `nasprof query` hands it over.

use std::path::PathBuf;

use serde::Deserialize;

/// A query, its sources, and how its answer is wanted.
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
    /// Where the answer is written instead.
    pub output: Option<PathBuf>,
    /// Most rows of a printed table; 0: all.
    pub rows: usize,
    /// Columns of the terminal; absent: the output is none.
    pub width: Option<usize>,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    Table,
    /// A JSON object a row.
    Json,
    /// CSV with a line of names.
    Csv,
}
