//! Events of a run: one JSON object on each line of the standard output of `nasprof-search`.

use serde::{Deserialize, Serialize};

/// An event of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RunEvent {
    /// A line that stays.
    Line(String),
    /// How far the run is, a few times a second.
    Step(Step),
    /// How far the judging of architectures after the last step is, a few times a second.
    Judging(Judging),
    /// A line for the journal of the process that this one works for.
    Record(serde_json::Value),
    /// Why it ended.
    Failed {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

/// How many architectures are judged with the weights of the supernet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judging {
    /// So far.
    pub judged: u64,
    /// At most.
    pub wanted: u64,
    /// Seconds left at the pace so far.
    pub seconds_left: u64,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Epoch, counted from 1 with the warm-up, and how many there are.
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
    /// What acts on the distribution.
    pub expected: Vec<Expected>,
    /// Seconds left at the pace so far.
    pub seconds_left: u64,
}

/// A quantity that is regularized, as expected now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Its name.
    pub quantity: String,
    /// Its unit.
    pub unit: String,
    /// Its expected value.
    pub value: f64,
    /// What a constraint aims at.
    pub target: Option<f64>,
    /// The constraint's multiplier.
    pub multiplier: Option<f64>,
}
