//! Latency lookup tables: made from a journal, stored on disk, and used to predict whole networks.
//!
//! A LUT is valid for one context ([`Context`]). Its rows are a pure function of the measurement's journal
//! ([`from_journal`]); [`Estimator`] predicts networks from it.

mod anchors;
mod batch;
mod blocks;
mod bounds;
mod calibration;
mod check;
mod context;
mod diff;
mod disturbed;
mod energy;
mod error;
mod estimate;
mod estimated;
mod expected;
mod from_journal;
mod holdout;
mod import;
mod interpolate;
mod key_session;
mod layer_rounds;
mod layer_times;
mod level;
mod lut;
mod measured;
mod memory;
mod merge;
mod model;
mod noise_floor;
mod observations;
mod occurrences;
mod parts;
mod queued;
mod records;
mod reuse;
mod reuse_table;
mod row;
mod session_facts;
mod sessions;
mod shard;
mod size_effect;
mod store;
mod timing;
mod validate;
mod validation;
mod variance;
mod whole_session;
mod whole_times;

pub use batch::{BatchEstimate, BatchEstimator, CostTable, Prediction, Predictor};
pub use blocks::BlockEstimate;
pub use bounds::{MAX_COUNT, MAX_FACTOR, MAX_MJ, MAX_NS, MAX_W};
pub use calibration::Calibration;
pub use check::{Finding, check};
pub use context::{Context, FORMAT_VERSION};
pub use diff::{Diff, DiffRow, diff};
pub use energy::{Energy, EnergyEstimate};
pub use error::LutError;
pub use estimate::Estimator;
pub use estimated::{Estimate, EstimateFlag, NodeEstimate, Source};
pub use from_journal::from_journal;
pub use holdout::{Holdout, holdout_networks, measure_whole};
pub use import::{
    Format, Import, ImportError, ImportReport, ImportSettings, ProfileLayer, Unit, import, import_profile,
    profile_layers,
};
pub use level::{CurrentLevel, Level};
pub use lut::{Lut, WholeNetwork};
pub use measured::{Measured, read_measured};
pub use memory::{MemoryRow, MemoryValidation};
pub use merge::{Conflict, MergeError, Merged, context_differences, merge};
pub use model::{KernelDiff, Likeness, ModelDiff, TimeDiff, model_diff, model_of, parse_model, write_model};
pub use observations::{Observations, SessionObservations};
pub use parts::{CalibrationForm, Reconciliation};
pub use queued::{Queued, TimingAnchor, TimingCalibration};
pub use records::{Anchor, Imported, NetworkTime, Part, SessionFacts};
pub use reuse::ReusePoint;
pub use row::{Flag, Row, Times};
pub use shard::{CrossCheck, Gap, LayerGap, MergedShards, ShardError, from_journals, merge_shards};
pub use size_effect::{LatencyOfSum, SizeEffect};
pub use store::{FileFormat, check_ending, parse, read, replace_file, write};
pub use timing::{Timing, TimingProgress, Timings, layer_times, timing_sessions, timings};
pub use validate::{current_level, level_now, validate};
pub use validation::{Validation, ValidationRow};
pub use whole_session::{Processes, WholeSession};

/// The examples of the guide for users of the libraries, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/library.md")]
pub struct LibraryGuide;
