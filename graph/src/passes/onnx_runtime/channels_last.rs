//! Which kernels of a network in 8-bit integers have their values pixel by pixel, and where values are copied: `NhwcTransformer`.
//!
//! Convolutions on integers work pixel by pixel. The runtime first copies every operand and result of theirs; then, node by node,
//! it moves the copies of the operands behind a node where it takes fewer copies to be expected so. Copies that meet cancel.

use std::collections::HashMap;

use crate::{Graph, Node, NodeId, Op};

/// What the runtime can do with copies before a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handler {
    /// Nothing.
    None,
    /// Nothing, though it expects to.
    Never,
    /// It moves them where that is expected to save copies.
    IfCheaper,
    /// It moves them always.
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

/// Sizes of a value but those of one: what a copy of it is expected to cost.
fn rank(node: &Node) -> i64 {
    node.shape.0.iter().filter(|&&size| size != 1).count() as i64
}

/// The same graph with its kernels' layouts, and the copies.
pub(super) fn choose(graph: &Graph) -> Graph {
    let last = layouts(graph);
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes().len());
    let mut place: Vec<NodeId> = Vec::with_capacity(graph.nodes().len());
    let mut copies: HashMap<usize, NodeId> = HashMap::new();
    let mut read = |nodes: &mut Vec<Node>, place: &[NodeId], value: usize, to: bool| {
        let source = &graph.nodes()[value];
        // What is stored is stored in the layout that is asked for.
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
    // Whether copies behind a value would meet those before a convolution.
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
            // Stored values are turned once and for all; who reads them later finds a copy before them, which costs nothing.
            node.inputs.iter().filter(|id| nodes[id.0].op.is_stored()).for_each(|id| last[id.0] = true);
        }
    }
    last
}
