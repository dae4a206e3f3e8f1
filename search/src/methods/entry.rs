//! The results of a trained network.

use std::collections::HashMap;

use super::Progress;

/// A trained network.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The learning curve, one entry per epoch; empty for a table of final accuracies.
    pub curve: Vec<Progress>,
    /// Share of correctly classified validation images after the last epoch.
    pub valid: f64,
    /// Share of correctly classified test images after the last epoch.
    pub test: f64,
    /// Scores that need no training, higher is better.
    pub scores: HashMap<String, f64>,
}
