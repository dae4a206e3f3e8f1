//! Zero and demand of each node, as functions of the selections: is its value zero, and does an output need it?
//!
//! This is [`crate::runtime::Runtime::lower`] without fusion, for all architectures at once.

use super::decision::{Diagrams, FALSE, Ref, TRUE};
use super::distributions::choice_positions;
use crate::passes::{ZeroWhen, forwards_input};
use crate::selector::SelectedLayer;
use crate::{Graph, NodeId, Op};

/// One function of the selections for each node of a graph.
pub(super) struct Demands {
    pub(super) diagrams: Diagrams,
    /// The node's value is known to be zero.
    pub(super) zero: Vec<Ref>,
    /// Something that runs reads the node, or it is an output.
    pub(super) demand: Vec<Ref>,
}

impl Demands {
    /// For networks after [`crate::passes::fold_zeros`] and [`crate::passes::eliminate_dead_code`]. `None` if the
    /// choices depend on each other too much.
    pub(super) fn of(graph: &Graph) -> Option<Self> {
        Self::build(graph, true)
    }

    /// For networks after [`crate::passes::eliminate_dead_code`] alone: only a zero itself needs no operand.
    pub(super) fn without_folding(graph: &Graph) -> Option<Self> {
        Self::build(graph, false)
    }

    /// The diagrams order choices as the graph does. The demand of a candidate then depends on later choices only, so
    /// adding the candidate's own choice takes one more function.
    fn build(graph: &Graph, folding: bool) -> Option<Self> {
        let index = choice_positions(graph);
        let mut diagrams = Diagrams::new(index.len())?;
        let selector = |op: &Op| match op {
            Op::Choice { choice, .. } => Some(index[choice.as_str()]),
            _ => None,
        };
        let mut zero = Vec::with_capacity(graph.nodes().len());
        for node in graph.nodes() {
            let value = match selector(&node.op) {
                Some(choice) if folding => diagrams.selected(choice, &node.inputs, &zero)?,
                _ => match ZeroWhen::of(&node.op) {
                    ZeroWhen::Always => TRUE,
                    ZeroWhen::AllOperands if folding => diagrams.all(&node.inputs, &zero)?,
                    ZeroWhen::AnyOperand if folding => diagrams.any(&node.inputs, &zero)?,
                    _ => FALSE,
                },
            };
            zero.push(value);
        }
        let mut demand = vec![FALSE; graph.nodes().len()];
        for id in graph.outputs() {
            demand[id.0] = TRUE;
        }
        for (i, node) in graph.nodes().iter().enumerate().rev().filter(|(_, n)| !n.inputs.is_empty()) {
            let runs = diagrams.without(demand[i], zero[i])?;
            for (candidate, id) in node.inputs.iter().enumerate() {
                let asked = match selector(&node.op) {
                    Some(choice) => {
                        let selected = diagrams.selects(choice, candidate, node.inputs.len())?;
                        diagrams.and(demand[i], selected)?
                    }
                    None if node.op == Op::Add && folding => diagrams.without(runs, zero[id.0])?,
                    None => runs,
                };
                demand[id.0] = diagrams.or(demand[id.0], asked)?;
            }
        }
        Some(Self { diagrams, zero, demand })
    }

    /// Every layer that some network runs, with the function that says which networks run it. A sum comes once for
    /// every number of operands that it can have left.
    pub(super) fn layers(&mut self, graph: &Graph) -> Option<Vec<(SelectedLayer, Ref)>> {
        let mut layers = Vec::new();
        for (id, node) in graph.layers() {
            let elided = node.inputs.len() == 1 && forwards_input(&node.op);
            if elided || matches!(node.op, Op::Choice { .. }) {
                continue;
            }
            let runs = self.runs(id.0)?;
            if node.op == Op::Add {
                // With one operand left the sum is elided, with none it is zero.
                for (count, exactly) in self.operands_left(&node.inputs)?.into_iter().enumerate().skip(2) {
                    let both = self.diagrams.and(runs, exactly)?;
                    layers.push((SelectedLayer { node: id, operands: count as u32 }, both));
                }
            } else {
                layers.push((SelectedLayer { node: id, operands: node.inputs.len() as u32 }, runs));
            }
        }
        layers.retain(|(_, runs)| *runs != FALSE);
        Some(layers)
    }

    /// The node runs as a layer.
    pub(super) fn runs(&mut self, node: usize) -> Option<Ref> {
        self.diagrams.without(self.demand[node], self.zero[node])
    }

    /// For every number of operands from none to all, the function: exactly that many are not zero.
    pub(super) fn operands_left(&mut self, operands: &[NodeId]) -> Option<Vec<Ref>> {
        let mut left = vec![TRUE];
        for id in operands {
            let zero = self.zero[id.0];
            let mut next = Vec::with_capacity(left.len() + 1);
            for count in 0..=left.len() {
                let without = left.get(count).map_or(Some(FALSE), |&f| self.diagrams.and(f, zero))?;
                let with = match count.checked_sub(1) {
                    Some(fewer) => self.diagrams.without(left[fewer], zero)?,
                    None => FALSE,
                };
                next.push(self.diagrams.or(without, with)?);
            }
            left = next;
        }
        Some(left)
    }
}

impl Diagrams {
    /// The function of the selected candidate.
    fn selected(&mut self, choice: usize, candidates: &[NodeId], functions: &[Ref]) -> Option<Ref> {
        let mut any = FALSE;
        for (candidate, id) in candidates.iter().enumerate().filter(|(_, id)| functions[id.0] != FALSE) {
            let selected = self.selects(choice, candidate, candidates.len())?;
            let both = self.and(selected, functions[id.0])?;
            any = self.or(any, both)?;
        }
        Some(any)
    }

    /// True when the functions of all operands are true; without operands never.
    fn all(&mut self, operands: &[NodeId], functions: &[Ref]) -> Option<Ref> {
        let start = if operands.is_empty() { FALSE } else { TRUE };
        operands.iter().try_fold(start, |all, id| self.and(all, functions[id.0]))
    }

    /// True when the function of at least one operand is true.
    fn any(&mut self, operands: &[NodeId], functions: &[Ref]) -> Option<Ref> {
        operands.iter().try_fold(FALSE, |any, id| self.or(any, functions[id.0]))
    }
}
