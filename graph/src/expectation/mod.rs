//! The probability that a node runs when every choice is drawn independently from a distribution of its own.
//!
//! A node runs if something that runs reads it: a choice reads the selected candidate, a zero reads nothing (what
//! [`crate::passes::eliminate_dead_code`] leaves of a selected network). That zeros also fold downstream is not
//! followed, so an expected cost built on these probabilities is a little above that of [`crate::runtime`]'s networks
//! in spaces with zeros.

mod decision;

use std::collections::HashMap;

use rand::Rng;
use thiserror::Error;

use self::decision::{Diagrams, FALSE, Ref, TRUE};
use crate::{Graph, Op};

/// Distributions that do not fit the graph's choices.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpectationError {
    /// Wrong number of distributions.
    #[error("{actual} distributions for the graph's {expected} choices")]
    Count {
        /// Choices in the graph.
        expected: usize,
        /// Distributions given.
        actual: usize,
    },
    /// Not one probability per candidate.
    #[error("choice `{choice}` has {expected} candidates, its distribution has {actual}")]
    Candidates {
        /// Name of the choice.
        choice: String,
        /// Its candidates.
        expected: usize,
        /// Probabilities given.
        actual: usize,
    },
    /// Negative, not finite, or a sum that is not 1.
    #[error("the distribution of choice `{0}` is not one of probabilities that sum to 1")]
    NotProbabilities(String),
}

/// The probability of each node, exactly; choices that several nodes share are followed. `None` if the graph's choices
/// depend on each other too much for that: then there is [`sampled_run_probabilities`].
///
/// # Errors
/// If the distributions (in the order of [`Graph::choices`]) do not fit the choices.
pub fn run_probabilities(graph: &Graph, distributions: &[Vec<f64>]) -> Result<Option<Vec<f64>>, ExpectationError> {
    let index = check(graph, distributions)?;
    let Some((diagrams, demand)) = demands(graph, &index) else {
        return Ok(None);
    };
    let probabilities = diagrams.probabilities(distributions);
    Ok(Some(demand.into_iter().map(|reference| probabilities[reference]).collect()))
}

/// The share of `samples` drawn networks in which each node runs.
///
/// # Errors
/// As [`run_probabilities`].
pub fn sampled_run_probabilities(
    graph: &Graph,
    distributions: &[Vec<f64>],
    samples: u32,
    rng: &mut impl Rng,
) -> Result<Vec<f64>, ExpectationError> {
    let index = check(graph, distributions)?;
    let mut counts = vec![0_u32; graph.nodes().len()];
    for _ in 0..samples {
        let selected: Vec<usize> = distributions.iter().map(|d| draw(d, rng)).collect();
        let mut runs = vec![false; graph.nodes().len()];
        for id in graph.outputs() {
            runs[id.0] = true;
        }
        for (i, node) in graph.nodes().iter().enumerate().rev().filter(|(_, n)| !matches!(n.op, Op::Zero { .. })) {
            if !runs[i] {
                continue;
            }
            counts[i] += 1;
            match &node.op {
                Op::Choice { choice, .. } => runs[node.inputs[selected[index[choice.as_str()]]].0] = true,
                _ => node.inputs.iter().for_each(|id| runs[id.0] = true),
            }
        }
        for (i, _) in graph.nodes().iter().enumerate().filter(|(i, n)| runs[*i] && matches!(n.op, Op::Zero { .. })) {
            counts[i] += 1;
        }
    }
    Ok(counts.into_iter().map(|n| f64::from(n) / f64::from(samples.max(1))).collect())
}

/// Positions of the choices by name, after all distributions were checked.
fn check<'a>(graph: &'a Graph, distributions: &[Vec<f64>]) -> Result<HashMap<&'a str, usize>, ExpectationError> {
    let choices = graph.choices();
    if choices.len() != distributions.len() {
        return Err(ExpectationError::Count { expected: choices.len(), actual: distributions.len() });
    }
    for (choice, distribution) in choices.iter().zip(distributions) {
        let (expected, actual) = (choice.candidates.len(), distribution.len());
        if expected != actual {
            return Err(ExpectationError::Candidates { choice: choice.name.clone(), expected, actual });
        }
        let sum: f64 = distribution.iter().sum();
        // Written so that NaN is refused as well.
        if !(distribution.iter().all(|&p| p >= 0.0) && (sum - 1.0).abs() < 1e-6) {
            return Err(ExpectationError::NotProbabilities(choice.name.clone()));
        }
    }
    let mut index = HashMap::new();
    for node in graph.nodes() {
        if let Op::Choice { choice, .. } = &node.op {
            let next = index.len();
            index.entry(choice.as_str()).or_insert(next);
        }
    }
    Ok(index)
}

/// When each node runs, as a function of the selections. In the diagrams choices stand in graph order: what demands a
/// candidate then depends on later choices only, so that adding the candidate's own choice is one more function.
fn demands(graph: &Graph, index: &HashMap<&str, usize>) -> Option<(Diagrams, Vec<Ref>)> {
    let mut diagrams = Diagrams::new(index.len())?;
    let mut demand = vec![FALSE; graph.nodes().len()];
    for id in graph.outputs() {
        demand[id.0] = TRUE;
    }
    for (i, node) in graph.nodes().iter().enumerate().rev() {
        let own = demand[i];
        if own == FALSE || matches!(node.op, Op::Zero { .. }) {
            continue;
        }
        for (candidate, id) in node.inputs.iter().enumerate() {
            let asked = match &node.op {
                Op::Choice { choice, .. } => {
                    let selected = diagrams.selects(index[choice.as_str()], candidate, node.inputs.len())?;
                    diagrams.and(own, selected)?
                }
                _ => own,
            };
            demand[id.0] = diagrams.or(demand[id.0], asked)?;
        }
    }
    Some((diagrams, demand))
}

fn draw(distribution: &[f64], rng: &mut impl Rng) -> usize {
    let mut left: f64 = rng.random();
    for (i, p) in distribution.iter().enumerate() {
        left -= p;
        if left < 0.0 {
            return i;
        }
    }
    // Rounding: the last candidate that can be drawn at all.
    distribution.iter().rposition(|&p| p > 0.0).unwrap_or(0)
}
