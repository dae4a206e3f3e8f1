//! What is known of a trained network.

use std::collections::HashMap;

/// A trained network.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// After each epoch the decayed sum of training losses and the validation accuracy; of a table of final accuracies nothing.
    pub curve: Vec<(f64, f64)>,
    /// Share of the validation images that are classified correctly after the last epoch.
    pub valid: f64,
    /// The same of the test images.
    pub test: f64,
    /// Scores that need no training, higher is better.
    pub scores: HashMap<String, f64>,
}
