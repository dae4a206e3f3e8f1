//! Decides what is measured next and when it is enough (measurement.md section 6).
//!
//! The engine sees a device only through [`crate::protocol::Device`], so the same code measures a processor here, a
//! board far away and a synthetic device in virtual time. Everything it observes goes through a [`Recorder`] into the
//! journal before it is used; an interrupted measurement is replayed from there.

mod energy;
mod forecast;
mod gate;
mod measurement;
mod plan;
mod recorder;
mod rounds;
mod session;
mod share;
mod sizing;
mod throttle;
mod trial;

pub use forecast::Forecast;
pub use gate::{Gate, bad_probes};
pub use measurement::{Measurement, Stage, first_free_session, measure, setup};
pub use plan::{Unit, keys_of_space, layer_units, network_units};
pub use recorder::{Interrupted, Recorder};
pub use rounds::{CHECKPOINTS, RoundValues, clean_samples, half_width};
pub use session::{Progress, SessionPlan, run_session};
pub use share::part_of;
pub use trial::run_trials;

use thiserror::Error;

use crate::journal::JournalError;
use crate::protocol::DeviceError;

/// Why a measurement stopped before its end.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The journal cannot be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The device is gone or answers nonsense.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The user asked to stop; what was measured is kept.
    #[error("interrupted")]
    Interrupted,
    /// The machine is too busy for numbers to mean anything.
    #[error("the machine is too noisy: {0}")]
    Noisy(String),
    /// Another machine, or another mode of it, than the one the journal was begun on.
    #[error("the context changed: {0}")]
    ContextChanged(String),
    /// The journal does not fit what is asked for.
    #[error("the journal does not fit: {0}")]
    Replay(String),
    /// The space cannot be measured.
    #[error("{0}")]
    Plan(String),
}
