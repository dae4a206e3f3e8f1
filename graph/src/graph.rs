//! The graph: nodes in topological order with their shapes.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::arch::Choice;
use crate::error::{GraphError, GraphErrorKind};
use crate::{Op, Shape, infer};

/// More nodes than any network has: bounds the memory that a hostile file can make us allocate.
pub const MAX_NODES: usize = 1_000_000;

/// Position of a node in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub usize);

/// One operation with its inputs and the shape of its output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Scoped name, unique in the graph; parameters are addressed by it.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// The nodes that compute its operands; all of them come earlier in the graph.
    pub inputs: Vec<NodeId>,
    /// Output shape, batch first.
    pub shape: Shape,
    /// The path of its parameters, if not its own name. Candidates of an elastic layer share one path: each uses the
    /// first channels and the middle of the kernel of the largest parameters stored there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<String>,
}

impl Node {
    /// The path of its parameters, if it has any.
    #[must_use]
    pub fn parameter_path(&self) -> &str {
        self.parameters.as_deref().unwrap_or(&self.name)
    }
}

/// A static graph: nodes in topological order. Only this crate builds graphs, so their order and shapes are right; a
/// graph from outside goes through [`Graph::checked`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    nodes: Vec<Node>,
    outputs: Vec<NodeId>,
}

impl Graph {
    pub(crate) fn from_parts(nodes: Vec<Node>, outputs: Vec<NodeId>) -> Self {
        Self { nodes, outputs }
    }

    /// All nodes, operands before users.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes whose values the network returns.
    #[must_use]
    pub fn outputs(&self) -> &[NodeId] {
        &self.outputs
    }

    /// One node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Shapes of a node's operands.
    #[must_use]
    pub fn input_shapes(&self, node: &Node) -> Vec<&Shape> {
        node.inputs.iter().map(|id| &self.nodes[id.0].shape).collect()
    }

    /// The nodes a runtime spends time on, in the order it runs them.
    pub fn layers(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().filter(|(_, n)| n.op.is_layer()).map(|(i, n)| (NodeId(i), n))
    }

    /// Shapes of the inputs, in graph order.
    #[must_use]
    pub fn data_shapes(&self) -> Vec<&Shape> {
        self.nodes.iter().filter(|n| matches!(n.op, Op::Input { .. })).map(|n| &n.shape).collect()
    }

    /// The batch size: the first dimension of the inputs, if all inputs have the same.
    #[must_use]
    pub fn batch(&self) -> Option<usize> {
        let mut firsts = self.data_shapes().into_iter().map(Shape::batch);
        let batch = firsts.next()?;
        firsts.all(|other| other == batch).then_some(batch)
    }

    /// The distinct choices, in order of first appearance.
    #[must_use]
    pub fn choices(&self) -> Vec<Choice> {
        let mut seen = HashSet::new();
        self.nodes
            .iter()
            .filter_map(|node| match &node.op {
                Op::Choice { choice, candidates } if seen.insert(choice.as_str()) => {
                    Some(Choice { name: choice.clone(), candidates: candidates.clone() })
                }
                _ => None,
            })
            .collect()
    }

    /// How many later nodes and outputs use each node's value.
    #[must_use]
    pub fn use_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.nodes.len()];
        for id in self.nodes.iter().flat_map(|n| &n.inputs).chain(&self.outputs) {
            counts[id.0] += 1;
        }
        counts
    }

    /// The same graph for other data: `change` maps the shape of every input, and all other shapes are inferred again.
    /// Constants adapt to the batch only, so change the image size before the passes, not after.
    ///
    /// # Errors
    /// The first node that does not work on the new shapes.
    pub fn with_inputs(&self, change: impl Fn(&Shape) -> Shape) -> Result<Self, GraphError> {
        let batch_of = |shape: &Shape| change(shape).batch();
        let mut nodes: Vec<Node> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let mut node = node.clone();
            match &mut node.op {
                Op::Input { shape } => *shape = change(shape),
                Op::Zeros { shape } => {
                    let batch = batch_of(shape);
                    if let Some(first) = shape.0.first_mut() {
                        *first = batch;
                    }
                }
                _ => {}
            }
            node.shape = infer_node(&node, &nodes)?;
            nodes.push(node);
        }
        Ok(Self { nodes, outputs: self.outputs.clone() })
    }

    /// The same graph for another batch size.
    ///
    /// # Errors
    /// The first node that does not work at that batch size.
    pub fn with_batch(&self, batch: usize) -> Result<Self, GraphError> {
        self.with_inputs(|shape| {
            let mut dims = shape.0.clone();
            if let Some(first) = dims.first_mut() {
                *first = batch;
            }
            Shape(dims)
        })
    }

    /// Checks a graph from outside as if it were built here: order, names, arity, shapes, choices.
    ///
    /// # Errors
    /// The first node that is wrong.
    pub fn checked(self) -> Result<Self, GraphError> {
        if self.nodes.len() > MAX_NODES {
            return Err(GraphError::new("", "graph", GraphErrorKind::TooManyNodes(MAX_NODES)));
        }
        let mut names = HashSet::new();
        for (i, node) in self.nodes.iter().enumerate() {
            let fail = |kind| GraphError::new(&node.name, node.op.name(), kind);
            if !names.insert(node.name.as_str()) {
                return Err(fail(GraphErrorKind::DuplicateName));
            }
            if let Some(late) = node.inputs.iter().find(|id| id.0 >= i) {
                return Err(fail(GraphErrorKind::Order(late.0)));
            }
            let inferred = infer_node(node, &self.nodes)?;
            if inferred != node.shape {
                return Err(fail(GraphErrorKind::ShapeMismatch { left: inferred, right: node.shape.clone() }));
            }
        }
        if let Some(bad) = self.outputs.iter().find(|id| id.0 >= self.nodes.len()) {
            return Err(GraphError::new("output", "output", GraphErrorKind::Order(bad.0)));
        }
        check_choices(&self.nodes)?;
        check_sharing(&self.nodes)?;
        Ok(self)
    }
}

pub(crate) fn infer_node(node: &Node, before: &[Node]) -> Result<Shape, GraphError> {
    let shapes: Vec<&Shape> = node.inputs.iter().map(|id| &before[id.0].shape).collect();
    infer::output_shape(&node.op, &shapes).map_err(|kind| GraphError::new(&node.name, node.op.name(), kind))
}

/// Choice nodes of one name must offer the same candidates: an architecture selects by name.
pub(crate) fn check_choices(nodes: &[Node]) -> Result<(), GraphError> {
    let mut known: HashMap<&str, &Vec<String>> = HashMap::new();
    for node in nodes {
        if let Op::Choice { choice, candidates } = &node.op
            && known.insert(choice, candidates).is_some_and(|before| before != candidates)
        {
            let problem = "two nodes of this name have different candidates".to_owned();
            let kind = GraphErrorKind::Choice { choice: choice.clone(), problem };
            return Err(GraphError::new(&node.name, "choice", kind));
        }
    }
    Ok(())
}

/// Nodes that share parameters must be of one kind; sizes may differ.
pub(crate) fn check_sharing(nodes: &[Node]) -> Result<(), GraphError> {
    let shared: HashSet<&str> = nodes.iter().filter_map(|n| n.parameters.as_deref()).collect();
    let mut known: HashMap<&str, &str> = HashMap::new();
    for node in nodes.iter().filter(|n| shared.contains(n.parameter_path())) {
        if let Some(before) = known.insert(node.parameter_path(), node.op.name())
            && before != node.op.name()
        {
            let problem = format!("the parameters `{}` already belong to a {before}", node.parameter_path());
            return Err(GraphError::new(&node.name, node.op.name(), GraphErrorKind::Attribute(problem)));
        }
    }
    Ok(())
}
