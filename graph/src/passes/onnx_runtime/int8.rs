//! Chooses which kernels of an 8-bit network compute with integers, and where values are converted.
//!
//! The written model puts every operand and result of an integer kernel between `QuantizeLinear` and
//! `DequantizeLinear`. The runtime turns the operations between them into integer kernels
//! (`QDQSelectorActionTransformer`), and a ReLU into the range of the values after it. Operations without an integer
//! kernel compute with floats, between conversions.

use std::collections::HashMap;

use super::fusion::{Fusion, Kernel};
use crate::infer::output_shape;
use crate::{Activation, Graph, Node, NodeId, Op, Shape};

/// Quantizes the kernels, in the layout in which networks are written.
pub(super) fn quantize(graph: &Graph) -> Graph {
    let mut fusion = Fusion::of(graph);
    fusion.batch_norms();
    fusion.ranges();
    let mut quantizer = Quantizer { graph, nodes: Vec::new(), floats: HashMap::new(), integers: HashMap::new() };
    for kernel in &fusion.kernels {
        quantizer.kernel(kernel);
    }
    let outputs = graph.outputs().iter().map(|id| quantizer.float(id.0)).collect();
    Graph::from_parts(quantizer.nodes, outputs)
}

/// The ReLU that the range of the values after it can replace.
fn range(op: &Op) -> Option<Activation> {
    match op {
        Op::Relu => Some(Activation::Relu),
        Op::Relu6 => Some(Activation::Relu6),
        _ => None,
    }
}

/// Whether the runtime has an integer kernel for it, on operands of these shapes.
fn has_kernel(op: &Op, inputs: &[&Shape]) -> bool {
    match op {
        // On more dimensions, a product with weights is written as several operators.
        Op::Linear { .. } => inputs[0].rank() == 2,
        op => op.has_integer_kernel(),
    }
}

/// Writes kernels as the nodes of a graph.
struct Quantizer<'a> {
    graph: &'a Graph,
    nodes: Vec<Node>,
    /// The nodes that hold values as floats and as integers.
    floats: HashMap<usize, NodeId>,
    integers: HashMap<usize, NodeId>,
}

impl Quantizer<'_> {
    fn push(&mut self, name: String, op: Op, inputs: Vec<NodeId>, shape: Shape, like: Option<&Node>) -> NodeId {
        let parameters = like.and_then(|node| node.parameters.clone());
        self.nodes.push(Node { name, op, inputs, shape, parameters });
        NodeId(self.nodes.len() - 1)
    }

    /// Each float reader of an integer value gets its own conversion (`EnsureUniqueDQForNodeUnit`).
    fn float(&mut self, value: usize) -> NodeId {
        if let Some(&id) = self.floats.get(&value) {
            return id;
        }
        let name = format!("dequantize{}", self.nodes.len());
        self.converted(value, &name, Op::Dequantize, self.integers[&value])
    }

    fn integer(&mut self, value: usize) -> NodeId {
        if let Some(&id) = self.integers.get(&value) {
            return id;
        }
        let source = &self.graph.nodes()[value];
        let id = if source.op.is_stored() {
            // The value is stored as integers.
            let (name, shape) = (format!("{}/quantize", source.name), source.shape.clone());
            self.push(name, source.op.clone(), Vec::new(), shape, Some(source))
        } else {
            self.converted(value, "quantize", Op::Quantize { activation: None }, self.floats[&value])
        };
        self.integers.insert(value, id);
        id
    }

    fn converted(&mut self, value: usize, ending: &str, op: Op, from: NodeId) -> NodeId {
        let Node { name, shape, .. } = &self.graph.nodes()[value];
        self.push(format!("{name}/{ending}"), op, vec![from], shape.clone(), None)
    }

    fn kernel(&mut self, kernel: &Kernel) {
        let node = &self.graph.nodes()[kernel.node];
        let shapes: Vec<&Shape> = kernel.operands.iter().map(|&value| &self.graph.nodes()[value].shape).collect();
        let shape = &self.graph.nodes()[kernel.value].shape;
        if let Some(activation) = range(&kernel.op) {
            let operand = self.float(kernel.operands[0]);
            let op = Op::Quantize { activation: Some(activation) };
            let id = self.push(node.name.clone(), op, vec![operand], shape.clone(), None);
            self.integers.insert(kernel.value, id);
        } else if kernel.op == Op::Hswish {
            // Hard swish has no integer kernel: a hard sigmoid and a product run, on floats.
            let operand = self.float(kernel.operands[0]);
            let gate = self.push(format!("{}/hsigmoid", node.name), Op::Hsigmoid, vec![operand], shape.clone(), None);
            let operand = self.float(kernel.operands[0]);
            let product = self.push(node.name.clone(), Op::Mul, vec![operand, gate], shape.clone(), None);
            self.floats.insert(kernel.value, product);
        } else if has_kernel(&kernel.op, &shapes) {
            let operands: Vec<NodeId> = kernel.operands.iter().map(|&value| self.integer(value)).collect();
            let activation = kernel.activation.as_ref().and_then(range);
            let id = self.quantized(node, &kernel.op, activation, operands, shape);
            self.integers.insert(kernel.value, id);
        } else {
            let operands = kernel.operands.iter().map(|&value| self.float(value)).collect();
            let id = self.push(node.name.clone(), kernel.op.clone(), operands, shape.clone(), Some(node));
            self.floats.insert(kernel.value, id);
        }
    }

    /// Appends an integer kernel; several for sums and products of more than two operands.
    fn quantized(
        &mut self,
        node: &Node,
        op: &Op,
        activation: Option<Activation>,
        mut operands: Vec<NodeId>,
        shape: &Shape,
    ) -> NodeId {
        let part = |activation| Op::Quantized { op: Box::new(op.clone()), activation, channels_last: false };
        while matches!(op, Op::Add | Op::Mul) && operands.len() > 2 {
            let both: Vec<NodeId> = operands.drain(..2).collect();
            let shapes = [&self.nodes[both[0].0].shape, &self.nodes[both[1].0].shape];
            let shape = output_shape(op, &shapes).unwrap_or_else(|_| shape.clone());
            let name = format!("{}/part{}", node.name, operands.len());
            operands.insert(0, self.push(name, part(None), both, shape, None));
        }
        self.push(node.name.clone(), part(activation), operands, shape.clone(), Some(node))
    }
}
