//! Why a foreign table cannot be imported.

use nasprof_graph::LayerKey;
use thiserror::Error;

/// A table that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImportError {
    /// It is not a valid table of its format.
    #[error("{0}")]
    Format(String),
    /// Neither the table nor the command names the unit of the numbers.
    #[error("unknown latency unit")]
    Unit,
    /// Table and command name different units.
    #[error("the column is in {column}, but {asked} was requested")]
    Units {
        /// The column's.
        column: &'static str,
        /// The one asked for.
        asked: &'static str,
    },
    /// It was measured at another batch size.
    #[error("the table has batch size {table}, but {asked} was requested")]
    Batch {
        /// The table's.
        table: usize,
        /// The one asked for.
        asked: usize,
    },
    /// Nothing in it is a layer of the space.
    #[error("none of its {0} entries matches a layer of the space")]
    Nothing(usize),
    /// One layer with two times.
    #[error("duplicate entry `{0}` with different times")]
    Twice(LayerKey),
    /// It is mostly implausible.
    #[error("most of the table is implausible: {0}")]
    Suspicious(String),
}
