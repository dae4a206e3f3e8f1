//! Why a foreign table cannot be imported.

use nasprof_graph::LayerKey;
use thiserror::Error;

/// A table that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImportError {
    /// It is not what it should be.
    #[error("{0}")]
    Format(String),
    /// Neither the table nor the command says what numbers are counted in.
    #[error("nothing says what the latencies are counted in")]
    Unit,
    /// Both say it, and differently.
    #[error("the column says {column}, {asked} was asked for")]
    Units {
        /// The column's.
        column: &'static str,
        /// The one asked for.
        asked: &'static str,
    },
    /// It was measured at another batch size.
    #[error("the table is of batch {table}, batch {asked} was asked for")]
    Batch {
        /// The table's.
        table: usize,
        /// The one asked for.
        asked: usize,
    },
    /// Nothing in it is a layer of the space.
    #[error("none of its {0} entries is a layer of the space")]
    Nothing(usize),
    /// One layer with two times.
    #[error("`{0}` stands in it twice, with different times")]
    Twice(LayerKey),
    /// Most of it cannot be right.
    #[error("most of the table cannot be right: {0}")]
    Suspicious(String),
}
