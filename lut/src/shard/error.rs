//! Errors of combining the work of several boards.

use nasprof_graph::LayerKey;
use thiserror::Error;

use super::cross_check::CrossCheck;
use crate::{LutError, MergeError};

/// Why the work of several boards cannot become one LUT.
#[derive(Debug, Error)]
pub enum ShardError {
    /// A journal is of a measurement that was not shared.
    #[error("the measurement of `{device}` is not a shard")]
    NoShard {
        /// Its device.
        device: String,
    },
    /// Shards of different measurements.
    #[error("`{device}` and `{first}` measured shards of different measurements")]
    AnotherMeasurement {
        /// A device.
        device: String,
        /// The first one.
        first: String,
    },
    /// One shard measured twice.
    #[error("`{}` and `{}` measured the same shard, number {index}", devices[0], devices[1])]
    Twice {
        /// The shard, from 1.
        index: u32,
        /// The boards that measured it.
        devices: [String; 2],
    },
    /// A shard is missing.
    #[error("shard {index} of {count} is missing")]
    Missing {
        /// The shard, from 1.
        index: u32,
        /// How many there are.
        count: u32,
    },
    /// A shard was interrupted.
    #[error("the shard of `{device}` is incomplete")]
    Incomplete {
        /// Its device.
        device: String,
    },
    /// A layer runs on one board only.
    #[error("the boards differ: `{key}` runs on `{on}`, but not on `{not_on}`")]
    Runs {
        /// The layer.
        key: LayerKey,
        /// Where it runs.
        on: String,
        /// Where it does not.
        not_on: String,
    },
    /// The boards have too little common work, or too few sessions, for a comparison.
    #[error("the boards cannot be compared: each board needs two sessions of the same layers")]
    NotComparable,
    /// The boards may differ by so much that agreement proves nothing.
    #[error(
        "the boards are too noisy to compare: a difference of {:.1} % would not be detected",
        100.0 * allowed
    )]
    Unsteady {
        /// The relative difference that their intervals allow.
        allowed: f64,
    },
    /// The boards disagree.
    #[error("{}", cross_check.in_words())]
    Disagree {
        /// The disagreements.
        cross_check: Box<CrossCheck>,
    },
    /// A shard yields no LUT.
    #[error(transparent)]
    Lut(#[from] LutError),
    /// The shards are of different contexts.
    #[error(transparent)]
    Merge(#[from] MergeError),
}
