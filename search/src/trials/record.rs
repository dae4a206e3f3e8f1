//! What a training of one network leaves.

use std::collections::BTreeMap;

use nasprof_graph::arch::ArchFile;
use serde::{Deserialize, Serialize};

/// A network that was trained, or could not be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The network.
    pub arch: ArchFile,
    /// What its weights and the order of its images derive from.
    pub seed: u64,
    /// Trainable parameters.
    pub params: u64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Scores at initialisation, higher is better; absent where the network has none that is a number.
    pub scores: BTreeMap<String, f64>,
    /// How the training went.
    pub outcome: Outcome,
    /// Time that it took, seconds; of a machine that may have been busy.
    pub seconds: f64,
}

/// How a training went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// To its end.
    Trained {
        /// All epochs in their order.
        epochs: Vec<Epoch>,
        /// Share of the test images that the weights of the last epoch classify correctly.
        test_accuracy: f64,
        /// Test images.
        test_images: usize,
    },
    /// Not to its end.
    Failed {
        /// Why.
        problem: String,
    },
}

/// One epoch of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Mean loss of each batch at the weights before its update, in their order.
    pub batch_losses: Vec<f32>,
    /// Mean loss over the training images.
    pub train_loss: f64,
    /// Share of the training images that were classified correctly.
    pub train_accuracy: f64,
    /// Mean loss over the validation images; absent without such.
    pub valid_loss: Option<f64>,
    /// Share of the validation images that are classified correctly; absent without such.
    pub valid_accuracy: Option<f64>,
}

impl Epoch {
    /// The sum of the batches' losses: an estimate of how fast the network learns (Ru et al., NeurIPS 2021, "Speedy
    /// performance estimation for neural architecture search", SoTL).
    #[must_use]
    pub fn loss_sum(&self) -> f64 {
        self.batch_losses.iter().map(|&loss| f64::from(loss)).sum()
    }
}
