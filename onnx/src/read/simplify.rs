//! Simplifies the graph: patterns become one operation, views of views one view, and nodes that no output needs are
//! removed.

use nasprof_graph::{Graph, GraphBuilder, GraphError, NodeId, Op};

use super::patterns::Matcher;

/// The same network with fewer nodes.
pub(super) fn simplified(graph: &Graph) -> Result<Graph, GraphError> {
    let mut matcher = Matcher::of(graph);
    merge_views(graph, &mut matcher);
    let needed = needed(graph, &matcher);
    let batch = graph.batch().unwrap_or(1);
    let mut builder = GraphBuilder::new();
    let mut new: Vec<Option<NodeId>> = vec![None; graph.nodes().len()];
    for (i, node) in graph.nodes().iter().enumerate() {
        let id = NodeId(i);
        if !needed[i] {
            continue;
        }
        let inputs: Vec<NodeId> = matcher.inputs(id).iter().filter_map(|input| new[input.0]).collect();
        let op = matcher.op(id).clone();
        // Keys leave out the first dimension, which is right only if it is the batch.
        let is_batched = inputs.iter().all(|&input| builder.shape(input).batch() == batch);
        // An identity does no work, and keeps its name.
        let op =
            if is_batched || !op.is_layer() || op == Op::Identity { op } else { Op::Unbatched { op: Box::new(op) } };
        new[i] = Some(builder.add_sharing(&node.name, op, &inputs, node.parameters.clone())?);
    }
    let outputs: Vec<NodeId> = graph.outputs().iter().filter_map(|id| new[id.0]).collect();
    builder.build(&outputs)
}

/// A view of a view reads the source of both; transpositions that undo each other are removed.
fn merge_views(graph: &Graph, matcher: &mut Matcher<'_>) {
    for (i, node) in graph.nodes().iter().enumerate() {
        let id = NodeId(i);
        let &[before] = matcher.inputs(id) else { continue };
        let &[source] = matcher.inputs(before) else { continue };
        let shape = &graph.node(source).shape;
        let is_view = |op: &Op| matches!(op, Op::Reshape { .. } | Op::Flatten);
        let merged = match (matcher.op(before), matcher.op(id)) {
            (inner, outer) if is_view(inner) && is_view(outer) => match &node.shape.0[..] {
                same if *same == shape.0[..] => Op::Identity,
                [batch, _] if *batch == shape.batch() && shape.rank() > 1 => Op::Flatten,
                [_, rest @ ..] => Op::Reshape { rest: rest.to_vec() },
                [] => continue,
            },
            (Op::Transpose { order: first }, Op::Transpose { order: second }) => {
                let order: Vec<usize> = second.iter().map(|&axis| first[axis]).collect();
                if order.is_sorted() { Op::Identity } else { Op::Transpose { order } }
            }
            _ => continue,
        };
        matcher.replaced[i] = Some((merged, vec![source]));
    }
}

/// Nodes that the outputs need; inputs stay, because the caller passes them.
fn needed(graph: &Graph, matcher: &Matcher<'_>) -> Vec<bool> {
    let mut needed: Vec<bool> = graph.nodes().iter().map(|node| matches!(node.op, Op::Input { .. })).collect();
    graph.outputs().iter().for_each(|id| needed[id.0] = true);
    for i in (0..needed.len()).rev() {
        if needed[i] {
            matcher.inputs(NodeId(i)).iter().for_each(|input| needed[input.0] = true);
        }
    }
    needed
}
