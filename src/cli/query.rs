//! `query`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// The query, in SQL: SELECT … FROM …; with --schema: a source.
    #[arg(required_unless_present = "schema")]
    pub(crate) sql: Option<String>,
    /// LUTs, journals, validations (`nasprof validate --json`), run folders and space files. Each file is a table with
    /// the file's name, or NAME of NAME=PATH. A single LUT is also called `lut`, a single journal `journal`, and so on.
    /// A quoted pattern ('runs/*.parquet') is one table with a column `file`.
    #[arg(value_name = "[NAME=]PATH")]
    pub(crate) sources: Vec<String>,
    /// List the tables and their columns.
    #[arg(long)]
    pub(crate) schema: bool,
    /// Print JSON, one object a row.
    #[arg(long)]
    pub(crate) json: bool,
    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// Number of rows to print as a table; 0 prints all.
    #[arg(long, default_value_t = 100, conflicts_with_all = ["json", "csv", "output"])]
    pub(crate) rows: usize,
    /// Write the answer into a file instead: .parquet, .csv or .json by its ending.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["json", "csv"])]
    pub(crate) output: Option<PathBuf>,
}
