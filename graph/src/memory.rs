//! Activation memory, computed from lifetimes.

use crate::cost::{element_bytes, is_view};
use crate::{Graph, Node, NodeId, Op};

/// Bytes that a layer takes besides its parameters, its operands and its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overhead {
    /// While it runs.
    pub workspace: u64,
    /// For the lifetime of the network: memory that the runtime keeps for the layer.
    pub kept: u64,
}

impl Overhead {
    /// No overhead: the graph alone does not know any.
    #[must_use]
    pub fn none(_: &Node) -> Self {
        Self::default()
    }
}

impl Graph {
    /// The most bytes of activations alive at once when nodes run in graph order and every value is freed after its
    /// last use. Values that are views (flatten, crop) share their operand's memory, which lives as long as they do.
    #[must_use]
    pub fn peak_activation_bytes(&self) -> u64 {
        self.peak_working_bytes(|_| 0)
    }

    /// Peak memory of the network in bytes: parameters and buffers, memory kept for its layers, and the most bytes alive
    /// at once during a run.
    #[must_use]
    pub fn peak_memory_bytes(&self, overhead: impl Fn(&Node) -> Overhead) -> u64 {
        let stored = self.stored_bytes();
        let kept = self.layers().fold(0_u64, |sum, (_, node)| sum.saturating_add(overhead(node).kept));
        stored.saturating_add(kept).saturating_add(self.peak_working_bytes(|node| overhead(node).workspace))
    }

    /// The most bytes alive at once: activations, and the workspace of the layer that runs.
    #[must_use]
    pub fn peak_working_bytes(&self, workspace: impl Fn(&Node) -> u64) -> u64 {
        let nodes = self.nodes();
        // The buffer that holds each value, and the last node that needs that buffer.
        let mut buffer: Vec<usize> = (0..nodes.len()).collect();
        let mut last_use: Vec<usize> = (0..nodes.len()).collect();
        for (i, node) in nodes.iter().enumerate() {
            if is_view(&node.op)
                && let Some(NodeId(operand)) = node.inputs.first()
            {
                buffer[i] = buffer[*operand];
            }
            for id in &node.inputs {
                last_use[buffer[id.0]] = i;
            }
            last_use[buffer[i]] = last_use[buffer[i]].max(i);
        }
        for id in self.outputs() {
            last_use[buffer[id.0]] = nodes.len();
        }
        // The caller keeps the inputs for the whole run, and constants exist before it.
        for (i, node) in nodes.iter().enumerate() {
            if !node.op.is_layer() {
                last_use[i] = nodes.len();
            }
        }
        let mut freed_after: Vec<Vec<usize>> = vec![Vec::new(); nodes.len() + 1];
        for (i, &last) in last_use.iter().enumerate() {
            if buffer[i] == i {
                freed_after[last].push(i);
            }
        }
        // Stored values are counted with the parameters.
        let bytes = |i: usize| match nodes[i].op {
            Op::Constant { .. } => 0,
            _ => nodes[i].shape.elements() * element_bytes(&nodes[i].op),
        };
        let mut live: u64 = (0..nodes.len()).filter(|&i| !nodes[i].op.is_layer()).map(bytes).sum();
        let mut peak = live;
        for i in 0..nodes.len() {
            if buffer[i] == i && nodes[i].op.is_layer() {
                live += bytes(i);
            }
            let extra = if nodes[i].op.is_layer() { workspace(&nodes[i]) } else { 0 };
            peak = peak.max(live.saturating_add(extra));
            live -= freed_after[i].iter().map(|&b| bytes(b)).sum::<u64>();
        }
        peak
    }
}

#[cfg(test)]
mod tests {
    use crate::{GraphBuilder, Op};

    #[test]
    fn chain_needs_two_neighbours_and_the_input() {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 4, 8, 8]).unwrap();
        let mut y = x;
        for i in 0..5 {
            y = b.add(&format!("relu{i}"), Op::Relu, &[y]).unwrap();
        }
        let graph = b.build(&[y]).unwrap();
        // The caller's input, the operand and the result: three tensors of 1 KiB.
        assert_eq!(graph.peak_activation_bytes(), 3 * 1024);
    }

    #[test]
    fn a_residual_keeps_its_operand_and_a_view_costs_nothing() {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 4, 8, 8]).unwrap();
        let a = b.add("a", Op::Relu, &[x]).unwrap();
        let c = b.add("c", Op::Relu, &[a]).unwrap();
        let d = b.add("d", Op::Relu, &[c]).unwrap();
        let sum = b.add("sum", Op::Add, &[a, d]).unwrap();
        let flat = b.add("flat", Op::Flatten, &[sum]).unwrap();
        let graph = b.build(&[flat]).unwrap();
        // At `d`: input, a (kept for the sum), c, d. At `sum`: input, a, d, sum.
        assert_eq!(graph.peak_activation_bytes(), 4 * 1024);
    }
}
