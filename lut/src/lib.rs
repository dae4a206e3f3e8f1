//! Latency lookup tables: made from a journal, kept on disk, and used to predict whole networks.
//!
//! One LUT holds for one context ([`Context`]). Its rows are a pure function of the journal of the measurement
//! ([`from_journal`]); [`Estimator`] predicts networks from it.

mod batch;
mod calibration;
mod check;
mod context;
mod diff;
mod energy;
mod error;
mod estimate;
mod expected;
mod fresh;
mod from_journal;
mod import;
mod interpolate;
mod lut;
mod memory;
mod merge;
mod noise;
mod observations;
mod places;
mod records;
mod reuse;
mod row;
mod sessions;
mod share;
mod size_effect;
mod spread;
mod store;
mod validate;
mod validation;

pub use batch::{BatchEstimator, CostTable};
pub use calibration::{Calibration, Level};
pub use check::{Finding, check};
pub use context::Context;
pub use diff::{Diff, DiffRow, diff};
pub use energy::{Energy, EnergyEstimate};
pub use error::LutError;
pub use estimate::{Estimate, EstimateFlag, Estimator, NodeEstimate, Source};
pub use fresh::{Processes, WholeSession, fresh_networks, measure_whole};
pub use from_journal::from_journal;
pub use import::{Format, Import, ImportError, ImportReport, ImportSettings, Unit, import};
pub use lut::Lut;
pub use memory::{MemoryRow, MemoryValidation};
pub use merge::{Conflict, MergeError, Merged, context_differences, merge};
pub use observations::{Observations, SessionObservations};
pub use records::{Anchor, Imported, Part, SessionFacts};
pub use reuse::ReusePoint;
pub use row::{Flag, Row, Times};
pub use share::{CrossCheck, Gap, LayerGap, ShareError, Shared, from_journals, join};
pub use size_effect::{SizeEffect, Slope};
pub use store::{check_ending, read, replace_file, write};
pub use validate::{level_now, validate};
pub use validation::{Validation, ValidationRow};

/// The examples of the guide for users of the libraries, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/library.md")]
pub struct LibraryGuide;
