//! The lines of `trials.jsonl`, and the state of each network.

use std::collections::BTreeMap;

use nasprof_graph::Arch;
use nasprof_search::folder::Part;
use nasprof_search::trials::Epoch;
use serde::{Deserialize, Serialize};

use crate::scale::LossScale;

/// A line of the journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Event {
    /// The first line: digests of the space and the images.
    Of { space: String, images: String },
    /// Scores of a network at initialisation.
    Scores { arch: Arch, scores: BTreeMap<String, f64> },
    /// An epoch of a network, with the checkpoint after it. Networks that are trained at the same time appear in any order,
    /// so each has a number. Journals of earlier versions have no numbers; their networks are numbered in order of
    /// appearance.
    Epoch {
        arch: Arch,
        #[serde(default)]
        number: Option<usize>,
        epoch: Epoch,
        checkpoint: Checkpoint,
        /// Duration of the search until then, summed over its parts if it was resumed. Journals of earlier versions lack it.
        #[serde(default)]
        seconds: f64,
        /// The device in words; empty in journals of earlier versions.
        #[serde(default)]
        computed_on: String,
    },
    /// A failed training.
    Failed {
        arch: Arch,
        #[serde(default)]
        number: Option<usize>,
        problem: String,
    },
}

/// A network's tensors and the state of its optimizer.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Checkpoint {
    pub(super) tensors: Part,
    pub(super) optimizer_steps: u64,
    pub(super) optimizer_updates: Vec<(String, u64)>,
    pub(super) loss_scale: Option<LossScale>,
}

/// The known results of a network.
#[derive(Default)]
pub(super) struct Known {
    pub(super) scores: Option<BTreeMap<String, f64>>,
    pub(super) epochs: Vec<Epoch>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) failed: bool,
}
