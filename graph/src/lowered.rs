//! A network as a runtime executes it, with the often-needed properties of its layers.

use std::ops::Deref;

use crate::cost::StaticCost;
use crate::reuse::reuse_distances;
use crate::{Graph, LayerKey, Node, NodeId};

/// A network as a runtime executes it: its graph, with the key, the static cost and the reuse distance of every layer,
/// and the cost of the whole, each computed once. It dereferences to its [`Graph`].
#[derive(Debug, Clone, PartialEq)]
pub struct LoweredNetwork {
    graph: Graph,
    layers: Vec<LoweredLayer>,
    cost: StaticCost,
}

/// One layer of a [`LoweredNetwork`].
#[derive(Debug, Clone, PartialEq)]
pub struct LoweredLayer {
    /// Its node.
    pub node: NodeId,
    /// Its key in LUTs.
    pub key: LayerKey,
    /// Its static cost.
    pub cost: StaticCost,
    /// Bytes read and written by the layers since the last one of its kind (operation, depthwise or not, output shape):
    /// how warm the caches are for it.
    pub reuse_bytes: u64,
}

impl LoweredNetwork {
    /// Takes a graph in the form that the runtime executes; [`crate::runtime::Runtime::subnet`] makes one from an
    /// architecture.
    #[must_use]
    pub fn of(graph: Graph) -> Self {
        let nodes: Vec<(NodeId, &Node)> = graph.layers().collect();
        let costs: Vec<StaticCost> = nodes.iter().map(|(_, node)| graph.node_cost(node)).collect();
        let distances = reuse_distances(&graph, &costs);
        let layers = nodes.iter().zip(&costs).zip(distances);
        let layers = layers
            .map(|((&(id, node), &cost), reuse_bytes)| LoweredLayer {
                node: id,
                key: LayerKey::of(&graph, node),
                cost,
                reuse_bytes,
            })
            .collect();
        let cost = graph.cost();
        Self { layers, cost, graph }
    }

    /// The graph alone.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The graph alone.
    #[must_use]
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// The layers, in the order they run.
    #[must_use]
    pub fn keyed_layers(&self) -> &[LoweredLayer] {
        &self.layers
    }

    /// Keys of the layers, in the order they run.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &LayerKey> {
        self.layers.iter().map(|layer| &layer.key)
    }

    /// Static cost of the network ([`Graph::cost`]).
    #[must_use]
    pub fn cost(&self) -> StaticCost {
        self.cost
    }
}

impl From<Graph> for LoweredNetwork {
    fn from(graph: Graph) -> Self {
        Self::of(graph)
    }
}

impl Deref for LoweredNetwork {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.graph
    }
}
