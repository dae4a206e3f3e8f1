//! Events of a run: one JSON object on each line of the standard output of `nasprof-search`.

use serde::{Deserialize, Serialize};

/// An event of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RunEvent {
    /// A line that stays in the output.
    Line(String),
    /// Progress of the run, a few times a second.
    Step(Step),
    /// Progress of judging architectures after the last step, a few times a second.
    Judging(Judging),
    /// There is progress, if nothing else is to be said; every few seconds at most.
    Alive,
    /// A journal line for the parent process, which keeps the journal.
    Record(serde_json::Value),
    /// The error that ended the run.
    Failed {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// Progress of judging architectures with the weights of the supernet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judging {
    /// Architectures judged so far.
    pub judged: u64,
    /// Maximum number of architectures to judge.
    pub wanted: u64,
    /// Seconds left at the pace so far.
    pub seconds_left: u64,
}

/// Progress of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The epoch, counted from 1 including the warm-up.
    pub epoch: u32,
    /// Epochs of the run.
    pub epochs: u32,
    /// Whether the epoch is one of the warm-up.
    pub warming_up: bool,
    /// Step within the epoch, counted from 1.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Mean training loss of the epoch so far.
    pub loss: f64,
    /// Share of training images of the epoch so far that were classified wrongly.
    pub error: f64,
    /// The quantities whose regularizers act on the distribution.
    pub expected: Vec<Expected>,
    /// Seconds left at the pace so far.
    pub seconds_left: u64,
}

/// The current expected value of a regularized quantity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Its name.
    pub quantity: String,
    /// Its unit.
    pub unit: String,
    /// Its expected value.
    pub value: f64,
    /// The target of a constraint.
    pub target: Option<f64>,
    /// The constraint's multiplier.
    pub multiplier: Option<f64>,
}
