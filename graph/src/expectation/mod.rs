//! Expected values when every choice is sampled independently from its own distribution: the probability that a node
//! runs, and the mean cost of a network ([`ExpectedCost`]).

mod circuit;
mod cost;
mod decision;
mod demand;
mod enumerated;
mod network_cost;
mod sampled;
mod tables;

use std::collections::{BTreeMap, HashMap};

use rand::Rng;
use thiserror::Error;

use self::demand::Demands;
use crate::arch::Choice;
use crate::passes::SelectError;
use crate::selector::SelectedLayer;
use crate::{Arch, Graph, LayerKey, Op};

pub use cost::{ExpectedCost, Method, Sampling};

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
    /// A layer that some network needs and whose cost is not known.
    #[error("the cost of layer `{0}` is not known")]
    UnknownCost(LayerKey),
    /// An architecture that is none of the graph's.
    #[error(transparent)]
    Select(#[from] SelectError),
}

/// The probability of each node, exactly; choices that several nodes share are followed. A node runs if something that
/// runs reads it: a choice reads the selected candidate, a zero reads nothing (what
/// [`crate::passes::eliminate_dead_code`] leaves of a selected network; that zeros fold further downstream is
/// [`ExpectedCost`]'s matter). `None` if the graph's choices
/// depend on each other too much for that: then there is [`sampled_run_probabilities`].
///
/// # Errors
/// If the distributions (in the order of [`Graph::choices`]) do not fit the choices.
pub fn run_probabilities(graph: &Graph, distributions: &[Vec<f64>]) -> Result<Option<Vec<f64>>, ExpectationError> {
    check(&graph.choices(), distributions)?;
    let Some(demands) = Demands::without_folding(graph) else {
        return Ok(None);
    };
    let probabilities = demands.diagrams.probabilities(distributions);
    Ok(Some(demands.demand.into_iter().map(|reference| probabilities[reference]).collect()))
}

/// The LUT keys of all layers that some network of the graph runs, nothing fused: pruned, zeros folded; each with an
/// architecture that runs it. `None` if the choices depend on each other too much to be followed.
#[must_use]
pub fn keys_that_can_run(graph: &Graph) -> Option<BTreeMap<LayerKey, Arch>> {
    let key = |layer: SelectedLayer| {
        let node = graph.node(layer.node);
        LayerKey::new(&node.op, &graph.input_shapes(node)[..layer.operands as usize])
    };
    let mut demands = Demands::of(graph)?;
    let choices = graph.choices().len();
    let mut keys = BTreeMap::new();
    for (layer, runs) in demands.layers(graph)? {
        keys.entry(key(layer)).or_insert_with(|| Arch(demands.diagrams.selection(runs, choices)));
    }
    Some(keys)
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
    check(&graph.choices(), distributions)?;
    let index = choice_positions(graph);
    let mut counts = vec![0_u32; graph.nodes().len()];
    for _ in 0..samples {
        let selected: Vec<usize> = distributions.iter().map(|d| sample(d, rng)).collect();
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

/// Refuses what has not one number for each candidate of each choice.
fn check_form(choices: &[Choice], distributions: &[Vec<f64>]) -> Result<(), ExpectationError> {
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

/// Refuses what is not one distribution for each choice.
fn check(choices: &[Choice], distributions: &[Vec<f64>]) -> Result<(), ExpectationError> {
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
fn choice_positions(graph: &Graph) -> HashMap<&str, usize> {
    let mut index = HashMap::new();
    for node in graph.nodes() {
        if let Op::Choice { choice, .. } = &node.op {
            let next = index.len();
            index.entry(choice.as_str()).or_insert(next);
        }
    }
    index
}

fn sample(distribution: &[f64], rng: &mut impl Rng) -> usize {
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
