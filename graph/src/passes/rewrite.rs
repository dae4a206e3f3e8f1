//! The loop that all passes share: it visits the nodes in order and replaces each of them.

use crate::{Graph, Node, NodeId};

/// What happens to a node.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(super) enum Fate {
    /// It stays, possibly changed.
    Keep(Node),
    /// Its users read another (new) node instead.
    Replace(NodeId),
}

/// Rewrites a graph. `decide` gets the node with its inputs already pointing into the new graph, and the new nodes.
pub(super) fn rewrite(graph: &Graph, mut decide: impl FnMut(Node, &[Node]) -> Fate) -> Graph {
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes().len());
    let mut mapped: Vec<NodeId> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let mut node = node.clone();
        for id in &mut node.inputs {
            *id = mapped[id.0];
        }
        match decide(node, &nodes) {
            Fate::Keep(node) => {
                mapped.push(NodeId(nodes.len()));
                nodes.push(node);
            }
            Fate::Replace(id) => mapped.push(id),
        }
    }
    let outputs = graph.outputs().iter().map(|id| mapped[id.0]).collect();
    Graph::from_parts(nodes, outputs)
}
