//! Latency lookup tables: made from a journal, stored on disk, and used to predict whole networks.
//!
//! A LUT is valid for one context ([`Context`]). Its rows are a pure function of the measurement's journal
//! ([`from_journal`]); [`Estimator`] predicts networks from it.

mod batch;
mod blocks;
mod calibration;
mod check;
mod context;
mod diff;
mod energy;
mod error;
mod estimate;
mod expected;
mod from_journal;
mod holdout;
mod import;
mod interpolate;
mod memory;
mod merge;
mod noise_floor;
mod observations;
mod occurrences;
mod reuse;
mod row;
mod sessions;
mod shard;
mod size_effect;
mod store;
mod validation;
mod variance;

pub use batch::{BatchEstimator, CostTable};
pub use blocks::BlockEstimate;
pub use calibration::{Calibration, Level};
pub use check::{Finding, check};
pub use context::{Anchor, Context, Imported, SessionFacts};
pub use diff::{Diff, DiffRow, diff};
pub use energy::{Energy, EnergyEstimate};
pub use error::LutError;
pub use estimate::{Estimate, EstimateFlag, Estimator, NodeEstimate, Source};
pub use from_journal::from_journal;
pub use holdout::{Processes, WholeSession, holdout_networks, measure_whole};
pub use import::{Format, Import, ImportError, ImportReport, ImportSettings, Unit, import};
pub use memory::{MemoryRow, MemoryValidation};
pub use merge::{Conflict, MergeError, Merged, Part, context_differences, merge};
pub use observations::{Observations, SessionObservations};
pub use reuse::ReusePoint;
pub use row::{Flag, Row, Times};
pub use shard::{CrossCheck, Gap, LayerGap, MergedShards, ShardError, from_journals, merge_shards};
pub use size_effect::{SizeEffect, Slope};
pub use store::{check_ending, read, replace_file, write};
pub use validation::{Validation, ValidationRow, level_now, validate};

/// A latency lookup table.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lut {
    /// What it holds for, and how it was measured.
    pub context: Context,
    /// One row a layer, in the order of keys.
    pub rows: Vec<Row>,
}

/// The examples of the guide for users of the libraries, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/library.md")]
pub struct LibraryGuide;
