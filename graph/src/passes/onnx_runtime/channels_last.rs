//! Chooses which kernels of an 8-bit network store values pixel by pixel, and where values are copied
//! (`NhwcTransformer`).
//!
//! Integer convolutions work pixel by pixel. The runtime first copies all of their operands and results. Then, node by node,
//! it moves the copies of a node's operands behind the node, if it expects that to save copies. Opposite copies that meet
//! cancel.

use std::collections::HashMap;

use crate::{Graph, Node, NodeId, Op};

/// What the runtime does with copies before a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handler {
    /// It never moves them.
    None,
    /// It never moves them, but expects to when it weighs other nodes.
    Never,
    /// It moves them if it expects that to save copies.
    IfCheaper,
    /// It always moves them.
    Always,
}

fn handler(op: &Op) -> Handler {
    match op {
        Op::Quantized { op, .. } => match **op {
            Op::MaxPool { .. } => Handler::Always,
            Op::Conv { .. } | Op::Linear { .. } | Op::Flatten => Handler::None,
            _ => Handler::IfCheaper,
        },
        Op::MaxPool { .. } => Handler::Never,
        Op::Quantize { .. }
        | Op::Dequantize
        | Op::Add
        | Op::Mul
        | Op::Concat { .. }
        | Op::Softmax { .. }
        | Op::Crop { .. }
        | Op::Pad { .. }
        | Op::Resize { .. } => Handler::IfCheaper,
        op if op.is_activation() => Handler::IfCheaper,
        _ => Handler::None,
    }
}

fn is_conv(op: &Op) -> bool {
    matches!(op, Op::Quantized { op, .. } if matches!(**op, Op::Conv { .. }))
}

/// Number of a value's sizes other than 1: the expected cost of copying it.
fn rank(node: &Node) -> i64 {
    node.shape.0.iter().filter(|&&size| size != 1).count() as i64
}

/// Sets the layouts of the graph's kernels and inserts the copies.
pub(super) fn choose(graph: &Graph) -> Graph {
    let last = layouts(graph);
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes().len());
    let mut place: Vec<NodeId> = Vec::with_capacity(graph.nodes().len());
    let mut copies: HashMap<usize, NodeId> = HashMap::new();
    let mut read = |nodes: &mut Vec<Node>, place: &[NodeId], value: usize, to: bool| {
        let source = &graph.nodes()[value];
        // Stored values are stored in the requested layout.
        if last[value] == to || source.shape.rank() != 4 || source.op.is_stored() {
            return place[value];
        }
        *copies.entry(value).or_insert_with(|| {
            let copy = Op::ChannelsLast { to };
            let op = if source.op.gives_int8() {
                Op::Quantized { op: Box::new(copy), activation: None, channels_last: false }
            } else {
                copy
            };
            let name = format!("{}/{}_channels_last", source.name, if to { "to" } else { "from" });
            let inputs = vec![place[value]];
            nodes.push(Node { name, op, inputs, shape: source.shape.clone(), parameters: None });
            NodeId(nodes.len() - 1)
        })
    };
    for (i, node) in graph.nodes().iter().enumerate() {
        let inputs = node.inputs.iter().map(|id| read(&mut nodes, &place, id.0, last[i])).collect();
        let mut node = Node { inputs, ..node.clone() };
        if let Op::Quantized { channels_last, .. } = &mut node.op {
            *channels_last = last[i];
        }
        nodes.push(node);
        place.push(NodeId(nodes.len() - 1));
    }
    let outputs = graph.outputs().iter().map(|id| read(&mut nodes, &place, id.0, false)).collect();
    Graph::from_parts(nodes, outputs)
}

/// For each node whether it works pixel by pixel.
fn layouts(graph: &Graph) -> Vec<bool> {
    let nodes = graph.nodes();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        node.inputs.iter().for_each(|id| readers[id.0].push(i));
    }
    // Whether copies behind a value would meet the copies before a convolution.
    let mut leads = vec![false; nodes.len()];
    for i in (0..nodes.len()).rev() {
        leads[i] = readers[i].iter().any(|&reader| {
            let op = &nodes[reader].op;
            is_conv(op) || (handler(op) != Handler::None && leads[reader])
        });
    }
    let goes = |value: usize| {
        let read = readers[value].iter().all(|&reader| {
            let op = &nodes[reader].op;
            is_conv(op) || handler(op) != Handler::None
        });
        read && !graph.outputs().contains(&NodeId(value))
    };
    let mut last: Vec<bool> = nodes.iter().map(|node| is_conv(&node.op)).collect();
    for (i, node) in nodes.iter().enumerate() {
        let copied = node.inputs.iter().any(|id| last[id.0] && nodes[id.0].shape.rank() == 4);
        let moved = copied
            && match handler(&node.op) {
                Handler::None | Handler::Never => false,
                Handler::Always => true,
                Handler::IfCheaper => {
                    let cost = node.inputs.iter().map(|&NodeId(value)| match (last[value], &nodes[value].op) {
                        (true, _) if goes(value) => -rank(&nodes[value]),
                        (true, _) => 0,
                        (_, op) if op.is_stored() => 0,
                        (false, _) => rank(&nodes[value]),
                    });
                    let before = cost.sum::<i64>();
                    before < 0 && (leads[i] || before + rank(node) < 0)
                }
            };
        if moved {
            last[i] = true;
            // Stored values are reordered once; a later reader has a copy before it, which costs nothing.
            node.inputs.iter().filter(|id| nodes[id.0].op.is_stored()).for_each(|id| last[id.0] = true);
        }
    }
    last
}
