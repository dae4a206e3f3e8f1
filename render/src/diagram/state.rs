//! States of a supernet's nodes for a selected architecture: running, unselected or pruned.

use std::collections::HashSet;

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Graph, Op, passes};

/// Whether a node of a supernet is part of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It runs.
    Runs,
    /// It is part of the network, but the runtime need not run it: it returns its input, is zero, or is fused.
    Elided,
    /// Another candidate was chosen, or nothing reads it.
    Pruned,
}

/// The state of every node of a supernet.
///
/// # Errors
/// If the architecture is not one of the graph.
pub fn states(supernet: &Graph, arch: &Arch, runtime: Runtime) -> Result<Vec<State>, passes::SelectError> {
    let network = passes::eliminate_dead_code(&passes::select(supernet, arch)?);
    let runs = runtime.lower(&network);
    let names = |graph: &Graph| -> HashSet<String> { graph.nodes().iter().map(|n| n.name.clone()).collect() };
    let (part, running) = (names(&network), names(&runs));
    let mut states: Vec<State> = Vec::new();
    for node in supernet.nodes() {
        states.push(match &node.op {
            // A choice stands for its chosen candidate; it does nothing itself.
            Op::Choice { .. } => State::Elided,
            _ if running.contains(&node.name) => State::Runs,
            _ if part.contains(&node.name) => State::Elided,
            _ => State::Pruned,
        });
    }
    prune_unread_choices(supernet, arch, &mut states);
    Ok(states)
}

/// The index that an architecture selects at a choice.
pub(super) fn selected(graph: &Graph, choice: &str, selection: &[u16]) -> Option<usize> {
    let position = graph.choices().iter().position(|c| c.name == choice)?;
    selection.get(position).map(|&i| usize::from(i))
}

/// Marks choices that nothing in the network reads as pruned.
fn prune_unread_choices(supernet: &Graph, arch: &Arch, states: &mut [State]) {
    let mut read = vec![false; states.len()];
    for id in supernet.outputs() {
        read[id.0] = true;
    }
    let choices = supernet.choices();
    for (i, node) in supernet.nodes().iter().enumerate().rev().filter(|(_, n)| !n.inputs.is_empty()) {
        if !read[i] {
            continue;
        }
        match &node.op {
            Op::Choice { choice, .. } => {
                let position = choices.iter().position(|c| c.name == *choice);
                let chosen =
                    position.and_then(|p| arch.0.get(p)).and_then(|&index| node.inputs.get(usize::from(index)));
                chosen.into_iter().for_each(|id| read[id.0] = true);
            }
            _ => node.inputs.iter().for_each(|id| read[id.0] = true),
        }
    }
    for (i, node) in supernet.nodes().iter().enumerate() {
        if matches!(node.op, Op::Choice { .. }) && !read[i] {
            states[i] = State::Pruned;
        }
    }
}

#[cfg(test)]
mod tests {
    use nasprof_graph::GraphBuilder;

    use super::*;

    #[test]
    fn a_node_runs_is_elided_or_pruned() {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 4, 8, 8]).unwrap();
        let conv = b.add("conv", Op::conv(4, 3, 1, 1), &[x]).unwrap();
        let skip = b.add("skip", Op::Identity, &[x]).unwrap();
        let y = b.choice("c", vec![("conv".to_owned(), conv), ("skip".to_owned(), skip)]).unwrap();
        let z = b.add("relu", Op::Relu, &[y]).unwrap();
        let graph = b.build(&[z]).unwrap();
        let of = |selection| states(&graph, &Arch(vec![selection]), Runtime::TorchEager).unwrap();
        use State::{Elided, Pruned, Runs};
        assert_eq!(of(0), [Runs, Runs, Pruned, Elided, Runs]);
        assert_eq!(of(1), [Runs, Pruned, Elided, Elided, Runs]);
        assert!(states(&graph, &Arch(vec![2]), Runtime::TorchEager).is_err());
    }
}
