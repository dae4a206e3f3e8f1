//! Distributions over the candidates of choices: validation and sampling.

use std::collections::HashMap;

use rand::Rng;

use super::error::ExpectationError;
use crate::arch::Choice;
use crate::{Graph, Op};

/// Refuses distributions without exactly one number for each candidate of each choice.
pub(super) fn check_form(choices: &[Choice], distributions: &[Vec<f64>]) -> Result<(), ExpectationError> {
    if choices.len() != distributions.len() {
        return Err(ExpectationError::Count { expected: choices.len(), actual: distributions.len() });
    }
    for (choice, distribution) in choices.iter().zip(distributions) {
        let (expected, actual) = (choice.candidates.len(), distribution.len());
        if expected != actual {
            return Err(ExpectationError::Candidates { choice: choice.name.clone(), expected, actual });
        }
    }
    Ok(())
}

/// Refuses anything but one distribution for each choice.
pub(super) fn check(choices: &[Choice], distributions: &[Vec<f64>]) -> Result<(), ExpectationError> {
    check_form(choices, distributions)?;
    for (choice, distribution) in choices.iter().zip(distributions) {
        let sum: f64 = distribution.iter().sum();
        // Written so that NaN is refused as well.
        if !(distribution.iter().all(|&p| p >= 0.0) && (sum - 1.0).abs() < 1e-6) {
            return Err(ExpectationError::NotProbabilities(choice.name.clone()));
        }
    }
    Ok(())
}

/// Position of each choice in [`Graph::choices`], by name.
pub(super) fn choice_positions(graph: &Graph) -> HashMap<&str, usize> {
    let mut index = HashMap::new();
    for node in graph.nodes() {
        if let Op::Choice { choice, .. } = &node.op {
            let next = index.len();
            index.entry(choice.as_str()).or_insert(next);
        }
    }
    index
}

pub(super) fn sample(distribution: &[f64], rng: &mut impl Rng) -> usize {
    let mut left: f64 = rng.random();
    for (i, p) in distribution.iter().enumerate() {
        left -= p;
        if left < 0.0 {
            return i;
        }
    }
    // The sum was rounded down: takes the last candidate with a positive probability.
    distribution.iter().rposition(|&p| p > 0.0).unwrap_or(0)
}
