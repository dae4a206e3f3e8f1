//! Why several boards' work makes no common LUT.

use nasprof_graph::LayerKey;
use thiserror::Error;

use super::cross_check::CrossCheck;
use crate::{LutError, MergeError};

/// Why several boards' work makes no common LUT.
#[derive(Debug, Error)]
pub enum ShareError {
    /// A journal is of a measurement that was not shared.
    #[error("the measurement of `{device}` is no part of a shared one")]
    NoPart {
        /// Its device.
        device: String,
    },
    /// Parts of different measurements.
    #[error("`{device}` and `{first}` measured parts of different measurements")]
    AnotherMeasurement {
        /// A device.
        device: String,
        /// The first one.
        first: String,
    },
    /// One part measured twice.
    #[error("`{}` and `{}` measured the same part, number {part}", devices[0], devices[1])]
    Twice {
        /// The part, from 1.
        part: u32,
        /// Who measured it.
        devices: [String; 2],
    },
    /// A part is not there.
    #[error("part {part} of {of} is missing")]
    Missing {
        /// The part, from 1.
        part: u32,
        /// How many there are.
        of: u32,
    },
    /// A part was interrupted.
    #[error("the part of `{device}` did not come to its end")]
    Incomplete {
        /// Its device.
        device: String,
    },
    /// A layer runs on one board only.
    #[error("the boards are not alike: `{key}` runs on `{on}` and not on `{not_on}`")]
    Runs {
        /// The layer.
        key: LayerKey,
        /// Where it runs.
        on: String,
        /// Where it does not.
        not_on: String,
    },
    /// Too little is common, or was measured too seldom, to compare the boards.
    #[error("the boards cannot be compared: each needs two sessions of the same layers to know its own spread")]
    NotComparable,
    /// The boards may differ by so much that agreeing says nothing.
    #[error(
        "the boards are too unsteady to be compared: even {:.1} % between them would not show",
        100.0 * allowed
    )]
    Unsteady {
        /// What their intervals allow, relative.
        allowed: f64,
    },
    /// They do not agree.
    #[error("{}", cross_check.in_words())]
    Disagree {
        /// On what.
        cross_check: Box<CrossCheck>,
    },
    /// A part yields no LUT.
    #[error(transparent)]
    Lut(#[from] LutError),
    /// The parts are of different contexts.
    #[error(transparent)]
    Merge(#[from] MergeError),
}
