//! Outlines of graphs: one line for each module, by the scopes of node names.

use std::collections::HashSet;

use serde::Serialize;

use crate::{Graph, NodeId, Op, Shape};

/// Consecutive nodes of one scope, with the index that follows it: `stem`, `cells/3`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Module {
    /// The scope.
    pub name: String,
    /// Number of its layers, over all candidates.
    pub layers: usize,
    /// Names of its choices.
    pub choices: Vec<String>,
    /// Trainable parameters; shared ones count once.
    pub params: u64,
    /// Shape of its last value.
    pub output: Shape,
}

impl Graph {
    /// The modules in graph order; inputs are left out.
    #[must_use]
    pub fn modules(&self) -> Vec<Module> {
        let mut runs: Vec<(String, Vec<NodeId>)> = Vec::new();
        for (i, node) in self.nodes().iter().enumerate().filter(|(_, n)| !matches!(n.op, Op::Input { .. })) {
            let name = module_name(&node.name);
            match runs.last_mut() {
                Some((last, ids)) if *last == name => ids.push(NodeId(i)),
                _ => runs.push((name, vec![NodeId(i)])),
            }
        }
        runs.into_iter().map(|(name, ids)| self.module(name, &ids)).collect()
    }

    fn module(&self, name: String, ids: &[NodeId]) -> Module {
        let nodes: Vec<_> = ids.iter().map(|&id| self.node(id).clone()).collect();
        let mut seen = HashSet::new();
        let choices = nodes.iter().filter_map(|n| match &n.op {
            Op::Choice { choice, .. } if seen.insert(choice.clone()) => Some(choice.clone()),
            _ => None,
        });
        Module {
            name,
            choices: choices.collect(),
            layers: nodes.iter().filter(|n| n.op.is_layer() && !matches!(n.op, Op::Choice { .. })).count(),
            params: self.cost_of(ids).params,
            output: nodes.last().map_or_else(|| Shape(Vec::new()), |n| n.shape.clone()),
        }
    }
}

/// The module that a node belongs to, by its name: `cells/3/edge_0_2/relu` belongs to `cells/3`, `stem/conv` to `stem`.
#[must_use]
pub fn module_name(node: &str) -> String {
    let mut parts = node.split('/');
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        Some(second) if !second.is_empty() && second.bytes().all(|b| b.is_ascii_digit()) => format!("{first}/{second}"),
        _ => first.to_owned(),
    }
}
