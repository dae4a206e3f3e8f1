//! The state of an import: the graph so far, and the meaning of each value name.

use std::collections::{HashMap, HashSet};

use nasprof_graph::{GraphBuilder, NodeId, Op};

use super::super::error::OnnxError;
use super::super::schema::{GraphProto, NodeProto};
use super::inputs::{InputShapes, shapes_of};
use super::message::Tensor;

/// Most computed values of all constants together; a network's shapes have a few thousand.
const MAX_COMPUTED_IN_ALL: usize = 4 << 20;

/// The meaning of a name in the model.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Node(NodeId),
    Constant(Tensor<'a>),
}

pub(super) struct Reader<'a> {
    pub(super) version: i64,
    pub(super) builder: GraphBuilder,
    pub(super) values: HashMap<&'a str, Value<'a>>,
    /// How many nodes and outputs read a value.
    pub(super) uses: HashMap<&'a str, usize>,
    /// Paths of parameters that several nodes read, by the weight's name.
    pub(super) shared: HashMap<&'a str, String>,
    /// How many more values of constants may be computed, because a small file can ask for many. Beyond, only shapes are
    /// known.
    pub(super) values_left: usize,
    /// Constants that are operands, by name and number of dimensions.
    pub(super) stored: HashMap<(&'a str, usize), NodeId>,
    /// Names of our nodes and of shared parameters.
    taken: HashSet<String>,
    /// Of the current node: our operation's name, and the path of its parameters if other nodes share them.
    pub(super) current: (String, Option<String>),
}

impl<'a> Reader<'a> {
    /// Inputs and weights.
    pub(super) fn new(graph: &'a GraphProto, version: i64, shapes: &InputShapes) -> Result<Self, OnnxError> {
        let mut reader = Self {
            version,
            builder: GraphBuilder::new(),
            values: HashMap::new(),
            uses: HashMap::new(),
            shared: HashMap::new(),
            values_left: MAX_COMPUTED_IN_ALL,
            stored: HashMap::new(),
            taken: HashSet::new(),
            current: (String::new(), None),
        };
        reader.count_uses(graph);
        reader.weights(graph)?;
        // Old models list their weights among the inputs.
        let weights: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        for (name, shape) in shapes_of(graph, |name| !weights.contains(name), shapes)? {
            let unique = reader.unique(name);
            let id = reader.builder.input(&unique, shape)?;
            reader.define(name, Value::Node(id))?;
        }
        Ok(reader)
    }

    /// Defines the weights of a graph.
    pub(super) fn weights(&mut self, graph: &'a GraphProto) -> Result<(), OnnxError> {
        graph.initializer.iter().try_for_each(|tensor| self.define(&tensor.name, Value::Constant(tensor.into())))
    }

    /// Counts the readers of each value; branches read values of the graph around them.
    fn count_uses(&mut self, graph: &'a GraphProto) {
        let outputs = graph.output.iter().map(|output| &output.name);
        for name in graph.node.iter().flat_map(|node| &node.input).chain(outputs) {
            *self.uses.entry(name).or_default() += 1;
        }
        let attributes = graph.node.iter().flat_map(|node: &NodeProto| &node.attribute);
        attributes.filter_map(|attribute| attribute.g.as_deref()).for_each(|branch| self.count_uses(branch));
    }

    pub(super) fn define(&mut self, name: &'a str, value: Value<'a>) -> Result<(), OnnxError> {
        if self.values.insert(name, value).is_some() {
            return Err(OnnxError::Model(format!("duplicate value name `{name}`")));
        }
        Ok(())
    }

    /// A name for a node of ours: `wanted`, with a number if the name is taken.
    pub(super) fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        // Numbers start at the count of names, so that a model of equal names takes no time.
        let mut number = self.taken.len();
        while name.is_empty() || !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// Appends an operation under the name of the current node.
    pub(super) fn add(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId, String> {
        let name = self.unique(&self.current.0.clone());
        let parameters = if op.has_parameters() { self.current.1.take() } else { None };
        self.builder.add_sharing(&name, op, inputs, parameters).map_err(|e| e.kind.to_string())
    }
}
