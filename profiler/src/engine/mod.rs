//! The engine decides which network or layer to measure next, and when to stop (docs/trust.md).
//!
//! It sees a device only through [`crate::protocol::Device`], so the same code measures a local processor, a remote
//! board and a synthetic device in virtual time. A [`Recorder`] writes every observation to the journal before the
//! engine uses it, and replays the journal of an interrupted measurement.

mod budget;
mod clock;
mod device_session;
mod energy;
mod forecast;
mod gate;
mod keys;
mod levels;
mod measurement;
mod plan;
mod precision;
mod recorder;
mod rounds;
mod session;
mod session_plan;
mod session_rounds;
mod session_visits;
mod setup;
mod shard;
mod sizing;
mod throttle;
mod trial;
mod whole_rounds;

pub use clock::Clock;
pub use forecast::Forecast;
pub use gate::{Gate, bad_probes, busy_processes, disturbance};
pub use keys::keys_of_space;
pub use levels::Levelling;
pub use measurement::{Measurement, Stage, level_is_still, measure, share_of};
pub use plan::{Workload, layer_workloads, network_workloads, sampled_networks};
pub use precision::{Known, Precision, Shares, WEIGHT, scale_half_width};
pub use recorder::{Interrupted, Recorder};
pub use rounds::{
    CHECKPOINTS, ROW_WIDTH, RoundValues, SessionValues, clean_samples, round_intervals, timed_runs, timed_samples,
};
pub use session::run_session;
pub use session_plan::{Progress, SessionPlan};
pub use setup::{first_free_session, setup};
pub use shard::select_shard;
pub use trial::run_trials;
pub use whole_rounds::WholeRounds;

use thiserror::Error;

use crate::journal::JournalError;
use crate::protocol::DeviceError;

/// Why a measurement stopped before its end.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The device is lost or breaks the protocol.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The user asked to stop; the journal keeps the results so far.
    #[error("interrupted")]
    Interrupted,
    /// The machine is too busy for meaningful numbers.
    #[error("the machine is too noisy: {0}")]
    Noisy(String),
    /// The machine or its mode is not the one in the journal.
    #[error("the context changed: {0}")]
    ContextChanged(String),
    /// The time budget is too small for a useful measurement.
    #[error("the time budget is too short: {left:.0} s are left, and about {needed:.0} s more are needed")]
    Budget {
        /// Seconds until its end.
        left: f64,
        /// Seconds that a useful measurement takes from now on, roughly.
        needed: f64,
    },
    /// The journal does not match the request.
    #[error("the journal does not match: {0}")]
    Replay(String),
    /// The space cannot be measured.
    #[error("{0}")]
    Plan(String),
}
