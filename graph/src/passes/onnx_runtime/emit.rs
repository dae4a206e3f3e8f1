//! Writes kernels as the nodes of a graph.

use std::collections::HashMap;

use super::fusion::Kernel;
use super::layout::Layout;
use crate::{Activation, Graph, Node, NodeId, Op};

/// Writes kernels as the nodes of a graph.
pub(super) struct Emitter<'a> {
    graph: &'a Graph,
    nodes: Vec<Node>,
    plain: HashMap<usize, NodeId>,
    blocked: HashMap<usize, NodeId>,
}

impl<'a> Emitter<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self { graph, nodes: Vec::new(), plain: HashMap::new(), blocked: HashMap::new() }
    }

    pub(super) fn plain(graph: &'a Graph, kernels: &[Kernel]) -> Graph {
        let mut emitter = Self::new(graph);
        for kernel in kernels {
            emitter.kernel(kernel, 0);
        }
        emitter.finish()
    }

    pub(super) fn blocked(graph: &'a Graph, layout: &Layout<'_>, block: usize) -> Graph {
        let mut emitter = Self::new(graph);
        let mut copies: HashMap<usize, Vec<usize>> = HashMap::new();
        for (&value, &before) in &layout.to_blocks {
            copies.entry(before).or_default().push(value);
        }
        for (place, kernel) in layout.kernels.iter().enumerate() {
            let mut due = copies.remove(&place).unwrap_or_default();
            due.sort_unstable();
            for value in due {
                emitter.reorder(value, block, true);
            }
            let Some(kernel) = kernel else { continue };
            emitter.kernel(kernel, block);
            if layout.blocked.get(&kernel.value).is_some_and(|known| kernel.blocked && known.plain_uses > 0) {
                emitter.reorder(kernel.value, block, false);
            }
        }
        emitter.finish()
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    fn reorder(&mut self, value: usize, block: usize, to_blocks: bool) {
        let source = &self.graph.nodes()[value];
        let (from, to) = if to_blocks { (&self.plain, "to_blocks") } else { (&self.blocked, "from_blocks") };
        let Some(&operand) = from.get(&value) else { return };
        // Named after the kernel that computes the value, so that fused layers are found by name.
        let name = format!("{}/{to}", self.nodes[operand.0].name);
        let op = Op::Reorder { block, to_blocks };
        let id = self.push(Node { name, op, inputs: vec![operand], shape: source.shape.clone(), parameters: None });
        if to_blocks { &mut self.blocked } else { &mut self.plain }.insert(value, id);
    }

    fn kernel(&mut self, kernel: &Kernel, block: usize) {
        let source = &self.graph.nodes()[kernel.node];
        let operands = kernel.operands.iter().map(|value| (value, kernel.blocked && !kernel.plain_operand));
        let operands = operands.chain(kernel.sum.iter().map(|value| (value, kernel.blocked)));
        let inputs =
            operands.map(|(value, blocked)| if blocked { self.blocked[value] } else { self.plain[value] }).collect();
        if kernel.op == Op::Hswish {
            return self.hard_swish(kernel, block);
        }
        let simple = match (&kernel.activation, kernel.sum, kernel.blocked) {
            (Some(Op::Relu), None, false) => Some(Activation::Relu),
            (Some(Op::Relu6), None, false) => Some(Activation::Relu6),
            _ => None,
        };
        let fused = kernel.sum.is_some() || kernel.activation.is_some() || kernel.blocked;
        let op = if let (Some(_), Op::Conv { .. }) = (simple, &kernel.op) {
            let mut op = kernel.op.clone();
            if let Op::Conv { activation, .. } = &mut op {
                *activation = simple;
            }
            op
        } else if fused {
            Op::Kernel {
                op: Box::new(kernel.op.clone()),
                sum: kernel.sum.is_some(),
                activation: kernel.activation.clone().map(Box::new),
                block: if kernel.blocked { block } else { 0 },
            }
        } else {
            kernel.op.clone()
        };
        let shape = self.graph.nodes()[kernel.value].shape.clone();
        let parameters = source.parameters.clone();
        let id = self.push(Node { name: source.name.clone(), op, inputs, shape, parameters });
        if kernel.blocked { &mut self.blocked } else { &mut self.plain }.insert(kernel.value, id);
    }

    /// An unfused hard swish has no kernel: it runs as a hard sigmoid and a product.
    fn hard_swish(&mut self, kernel: &Kernel, block: usize) {
        let source = &self.graph.nodes()[kernel.node];
        let values = if kernel.blocked { &self.blocked } else { &self.plain };
        let operand = values[&kernel.operands[0]];
        let node = |name, op, inputs| {
            let op = match kernel.blocked {
                true => Op::Kernel { op: Box::new(op), sum: false, activation: None, block },
                false => op,
            };
            Node { name, op, inputs, shape: source.shape.clone(), parameters: None }
        };
        let gate = self.push(node(format!("{}/hsigmoid", source.name), Op::Hsigmoid, vec![operand]));
        let product = self.push(node(source.name.clone(), Op::Mul, vec![operand, gate]));
        if kernel.blocked { &mut self.blocked } else { &mut self.plain }.insert(kernel.value, product);
    }

    fn finish(self) -> Graph {
        let outputs = self.graph.outputs().iter().map(|id| self.plain[&id.0]).collect();
        Graph::from_parts(self.nodes, outputs)
    }
}
