//! Why the runtime does not run some nodes of a selected network.

use std::collections::HashMap;

use nasprof_graph::{Graph, Node, Op, passes};

/// A node that does not run.
pub(crate) struct Removed {
    pub(crate) name: String,
    /// One of [`Self::KINDS`].
    pub(crate) why: &'static str,
}

const HANDED_ON: &str = "return their input unchanged and cost nothing";
const ZERO: &str = "are known to be zero";
const UNNEEDED: &str = "feed only a zero";
const FUSED: &str = "are fused into the layer before";
const MERGED: &str = "are computed once for several consumers";

impl Removed {
    pub(crate) const KINDS: [&'static str; 5] = [HANDED_ON, ZERO, UNNEEDED, FUSED, MERGED];
}

/// Compares the selected network with the network that the runtime runs. Unselected candidates are ignored: they do not
/// belong to the network.
pub(crate) fn removed(selected: &Graph, runs: &Graph) -> Vec<Removed> {
    let running = by_name(runs);
    let folded = passes::fold_zeros(selected);
    let known = by_name(&folded);
    let part = needed(selected);
    let alive = needed(&folded);
    let why = |node: &Node| match known.get(node.name.as_str()) {
        None => HANDED_ON,
        Some(&(_, folded)) if matches!(folded.op, Op::Zeros { .. }) => ZERO,
        Some(&(i, _)) if !alive[i] => UNNEEDED,
        Some(_) => match node.op {
            Op::Identity | Op::Dropout { .. } | Op::DropPath { .. } => HANDED_ON,
            Op::BatchNorm { .. } | Op::Add => FUSED,
            ref op if op.is_activation() => FUSED,
            _ => MERGED,
        },
    };
    let nodes = selected.nodes().iter().enumerate().filter(|(i, node)| part[*i] && node.op.is_layer());
    nodes
        .filter(|(_, node)| running.get(node.name.as_str()).is_none_or(|(_, n)| !n.op.is_layer()))
        .map(|(_, node)| Removed { name: node.name.clone(), why: why(node) })
        .collect()
}

/// Nodes with their positions.
pub(crate) fn by_name(graph: &Graph) -> HashMap<&str, (usize, &Node)> {
    graph.nodes().iter().enumerate().map(|(i, n)| (n.name.as_str(), (i, n))).collect()
}

/// Whether an output reads a node, directly or through others.
fn needed(graph: &Graph) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes().len()];
    for id in graph.outputs() {
        needed[id.0] = true;
    }
    for (i, node) in graph.nodes().iter().enumerate().rev().filter(|(_, n)| !n.inputs.is_empty()) {
        if needed[i] {
            node.inputs.iter().for_each(|id| needed[id.0] = true);
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use nasprof_graph::GraphBuilder;
    use nasprof_graph::runtime::Runtime;

    use super::*;

    #[test]
    fn every_removed_node_has_its_reason() {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 4, 8, 8]).unwrap();
        let before = b.add("before", Op::conv(4, 3, 1, 1), &[x]).unwrap();
        let zero = b.add("zero", Op::Zero { stride: [1, 1] }, &[before]).unwrap();
        let after = b.add("after", Op::Relu, &[zero]).unwrap();
        let conv = b.add("conv", Op::conv(4, 1, 1, 0), &[x]).unwrap();
        let norm = b.add("norm", Op::batch_norm(), &[conv]).unwrap();
        let skip = b.add("skip", Op::Identity, &[norm]).unwrap();
        let sum = b.add("sum", Op::Add, &[after, skip]).unwrap();
        let graph = b.build(&[sum]).unwrap();
        let reasons = |runtime: Runtime| -> Vec<(String, &str)> {
            removed(&graph, &runtime.lower(&graph)).into_iter().map(|r| (r.name, r.why)).collect()
        };
        let eager = [("before", UNNEEDED), ("zero", ZERO), ("after", ZERO), ("skip", HANDED_ON), ("sum", HANDED_ON)];
        let eager: Vec<(String, &str)> = eager.map(|(n, w)| (n.to_owned(), w)).to_vec();
        assert_eq!(reasons(Runtime::TorchEager), eager);
        assert!(reasons(Runtime::OnnxRuntime).contains(&("norm".to_owned(), FUSED)));
    }
}
