//! Builds a graph node by node, with scoped names.

use std::collections::HashSet;

use crate::error::{GraphError, GraphErrorKind};
use crate::graph::{MAX_NODES, check_choices, check_sharing, infer_node};
use crate::{Graph, Node, NodeId, Op, Shape};

/// Appends nodes; shapes are inferred and checked as each is added.
///
/// A module is a function that takes the builder and appends under a scope:
/// ```
/// use nasprof_graph::{GraphBuilder, Op};
/// # fn main() -> Result<(), nasprof_graph::GraphError> {
/// let mut b = GraphBuilder::new();
/// let x = b.input("input", [1, 3, 32, 32])?;
/// let y = b.scope("stem", |b| {
///     let y = b.add("conv", Op::conv(16, 3, 1, 1), &[x])?;
///     b.add("relu", Op::Relu, &[y])
/// })?;
/// let graph = b.build(&[y])?;
/// assert_eq!(graph.node(y).name, "stem/relu");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct GraphBuilder {
    nodes: Vec<Node>,
    names: HashSet<String>,
    scope: Vec<String>,
    /// While sharing: how many scopes were open, and the path that replaces their names.
    sharing: Option<(usize, String)>,
}

impl GraphBuilder {
    /// An empty graph.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `module` and prefixes the names of all nodes that it adds with `name`.
    ///
    /// # Errors
    /// What `module` returns.
    pub fn scope<T>(
        &mut self,
        name: impl Into<String>,
        module: impl FnOnce(&mut Self) -> Result<T, GraphError>,
    ) -> Result<T, GraphError> {
        self.scope.push(name.into());
        let result = module(self);
        self.scope.pop();
        result
    }

    /// Runs `module`; the nodes that it adds store their parameters under `path` and the names of the scopes opened
    /// inside. Candidates built under one path share the parameters of nodes with the same name.
    ///
    /// # Errors
    /// What `module` returns.
    pub fn sharing<T>(
        &mut self,
        path: impl Into<String>,
        module: impl FnOnce(&mut Self) -> Result<T, GraphError>,
    ) -> Result<T, GraphError> {
        let before = self.sharing.replace((self.scope.len(), path.into()));
        let result = module(self);
        self.sharing = before;
        result
    }

    fn parameters(&self, name: &str, op: &Op) -> Option<String> {
        let (open, path) = self.sharing.as_ref().filter(|_| op.has_parameters())?;
        let inside = self.scope.get(*open..).unwrap_or_default().iter().map(String::as_str);
        Some(std::iter::once(path.as_str()).chain(inside).chain([name]).collect::<Vec<_>>().join("/"))
    }

    /// The name that a node called `name` gets in the current scope.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        if self.scope.is_empty() { name.to_owned() } else { format!("{}/{name}", self.scope.join("/")) }
    }

    /// Adds an input; the first dimension of its shape is the batch.
    ///
    /// # Errors
    /// If the shape is absurd or the name is taken.
    pub fn input(&mut self, name: &str, shape: impl Into<Shape>) -> Result<NodeId, GraphError> {
        self.add(name, Op::Input { shape: shape.into() }, &[])
    }

    /// Appends a node.
    ///
    /// # Errors
    /// If the operation does not work on its inputs' shapes, or the name is taken.
    pub fn add(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId, GraphError> {
        let parameters = self.parameters(name, &op);
        self.add_sharing(name, op, inputs, parameters)
    }

    /// Appends a node whose parameters are stored under another path than its own.
    ///
    /// # Errors
    /// As [`GraphBuilder::add`].
    pub fn add_sharing(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[NodeId],
        parameters: Option<String>,
    ) -> Result<NodeId, GraphError> {
        let shape = Shape(Vec::new());
        let mut node = Node { name: self.path(name), op, inputs: inputs.to_vec(), shape, parameters };
        let fail = |kind| GraphError::new(&node.name, node.op.name(), kind);
        if self.nodes.len() >= MAX_NODES {
            return Err(fail(GraphErrorKind::TooManyNodes(MAX_NODES)));
        }
        if let Some(late) = inputs.iter().find(|id| id.0 >= self.nodes.len()) {
            return Err(fail(GraphErrorKind::Order(late.0)));
        }
        if self.names.contains(&node.name) {
            return Err(fail(GraphErrorKind::DuplicateName));
        }
        node.shape = infer_node(&node, &self.nodes)?;
        self.names.insert(node.name.clone());
        self.nodes.push(node);
        Ok(NodeId(self.nodes.len() - 1))
    }

    /// A choice among already built candidates. The choice is named by the scoped node name.
    ///
    /// # Errors
    /// If there are no candidates, two have one name, or their shapes differ.
    pub fn choice(&mut self, name: &str, candidates: Vec<(String, NodeId)>) -> Result<NodeId, GraphError> {
        let choice = self.path(name);
        self.choice_named(name, choice, candidates)
    }

    /// A choice with a name of its own: all choice nodes of one name select the same candidate.
    ///
    /// # Errors
    /// As [`GraphBuilder::choice`].
    pub fn choice_named(
        &mut self,
        name: &str,
        choice: String,
        candidates: Vec<(String, NodeId)>,
    ) -> Result<NodeId, GraphError> {
        let (candidates, inputs): (Vec<_>, Vec<_>) = candidates.into_iter().unzip();
        if inputs.is_empty() {
            let kind = GraphErrorKind::Choice { choice, problem: "it has no candidates".to_owned() };
            return Err(GraphError::new(self.path(name), "choice", kind));
        }
        self.add(name, Op::Choice { choice, candidates }, &inputs)
    }

    /// Output shape of a node added so far.
    #[must_use]
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.nodes[id.0].shape
    }

    /// Operation of a node added so far.
    #[must_use]
    pub fn op(&self, id: NodeId) -> &Op {
        &self.nodes[id.0].op
    }

    /// Adds a bias to a node after it was built; shapes stay the same.
    pub fn add_bias(&mut self, id: NodeId) {
        let op = &mut self.nodes[id.0].op;
        *op = op.clone().with_bias();
    }

    /// Finishes the graph.
    ///
    /// # Errors
    /// If two choice nodes of one name offer different candidates, two nodes of different kinds share parameters, or an
    /// output does not exist.
    pub fn build(self, outputs: &[NodeId]) -> Result<Graph, GraphError> {
        if let Some(bad) = outputs.iter().find(|id| id.0 >= self.nodes.len()) {
            return Err(GraphError::new("output", "output", GraphErrorKind::Order(bad.0)));
        }
        check_choices(&self.nodes)?;
        check_sharing(&self.nodes)?;
        Ok(Graph::from_parts(self.nodes, outputs.to_vec()))
    }
}
