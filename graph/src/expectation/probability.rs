//! The probability that a node runs, and the layers that can run at all.

use std::collections::BTreeMap;

use rand::Rng;

use super::demand::Demands;
use super::distributions::{check, choice_positions, sample};
use super::error::ExpectationError;
use crate::selector::SelectedLayer;
use crate::{Arch, Graph, LayerKey, Op};

/// The exact probability that each node runs, also with choices that several nodes share. A node runs if something that
/// runs reads it: a choice reads the selected candidate, a zero reads nothing. This is what
/// [`crate::passes::eliminate_dead_code`] leaves of a selected network; [`ExpectedCost`](super::ExpectedCost) folds
/// zeros further downstream. `None` if the graph's choices depend on each other too much: then use
/// [`sampled_run_probabilities`].
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

/// The LUT keys of all layers that some network of the graph runs, each with an architecture that runs it. Networks are
/// pruned and their zeros folded; nothing is fused. `None` if the choices depend on each other too much.
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
