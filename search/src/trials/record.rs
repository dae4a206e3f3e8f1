//! The results of training one network.

use std::collections::BTreeMap;

use nasprof_graph::arch::ArchFile;
use serde::{Deserialize, Serialize};

/// A network and the outcome of its training, which may have failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The network.
    pub arch: ArchFile,
    /// Seed of its weights and of the order of its images.
    pub seed: u64,
    /// Trainable parameters.
    pub params: u64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Scores at initialisation, higher is better; without scores that are not a number for this network.
    pub scores: BTreeMap<String, f64>,
    /// Outcome of the training.
    pub outcome: Outcome,
    /// Duration in seconds, on a machine that may have been busy.
    pub seconds: f64,
}

/// The outcome of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The training reached its end.
    Trained {
        /// All epochs in their order.
        epochs: Vec<Epoch>,
        /// Share of the test images that the weights of the last epoch classify correctly.
        test_accuracy: f64,
        /// Test images.
        test_images: usize,
    },
    /// The training failed.
    Failed {
        /// Why.
        problem: String,
    },
}

/// One epoch of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Mean loss of each batch with the weights before its update, in order.
    pub batch_losses: Vec<f32>,
    /// Mean loss over the training images.
    pub train_loss: f64,
    /// Share of the training images that were classified correctly.
    pub train_accuracy: f64,
    /// Mean loss over the validation images; absent without validation images.
    pub valid_loss: Option<f64>,
    /// Share of the validation images that are classified correctly; absent without validation images.
    pub valid_accuracy: Option<f64>,
}

impl Epoch {
    /// The sum of the batches' losses: an estimate of how fast the network learns (Ru et al., NeurIPS 2021, "Speedy
    /// performance estimation for neural architecture search", SoTL).
    #[must_use]
    pub fn loss_sum(&self) -> f64 {
        self.batch_losses.iter().map(|&loss| f64::from(loss)).sum()
    }

    /// The mean losses over the training images and over the validation images; `None` without validation images.
    #[must_use]
    pub fn losses(&self) -> Option<[f64; 2]> {
        Some([self.train_loss, self.valid_loss?])
    }
}
