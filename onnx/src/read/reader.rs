//! The state of an import: the graph so far, and the meaning of each value name.

use std::collections::{HashMap, HashSet};

use nasprof_graph::{GraphBuilder, NodeId, Op, Shape};

use super::super::error::OnnxError;
use super::super::schema::{FLOAT, GraphProto, ValueInfoProto};
use super::message::{Tensor, type_name};

/// What a name in the model stands for.
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
    /// Where parameters are kept that several nodes read, by the weight's name.
    pub(super) shared: HashMap<&'a str, String>,
    /// Names of our nodes and of shared parameters.
    taken: HashSet<String>,
    /// Our operation's name, and its parameters if others have the same: of the node that is being read.
    pub(super) current: (String, Option<String>),
}

impl<'a> Reader<'a> {
    /// Inputs and weights.
    pub(super) fn new(graph: &'a GraphProto, version: i64) -> Result<Self, OnnxError> {
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for name in graph.node.iter().flat_map(|n| &n.input).chain(graph.output.iter().map(|output| &output.name)) {
            *uses.entry(name).or_default() += 1;
        }
        let mut reader = Self {
            version,
            builder: GraphBuilder::new(),
            values: HashMap::new(),
            uses,
            shared: HashMap::new(),
            taken: HashSet::new(),
            current: (String::new(), None),
        };
        for tensor in &graph.initializer {
            reader.define(&tensor.name, Value::Constant(tensor.into()))?;
        }
        for input in &graph.input {
            // Models of old list their weights among the inputs.
            if matches!(reader.values.get(input.name.as_str()), Some(Value::Constant(_))) {
                continue;
            }
            let name = reader.unique(&input.name);
            let id = reader.builder.input(&name, shape_of(input)?)?;
            reader.define(&input.name, Value::Node(id))?;
        }
        Ok(reader)
    }

    pub(super) fn define(&mut self, name: &'a str, value: Value<'a>) -> Result<(), OnnxError> {
        if self.values.insert(name, value).is_some() {
            return Err(OnnxError::Model(format!("duplicate value name `{name}`")));
        }
        Ok(())
    }

    /// A name for a node of ours: `wanted`, with a number if another one has it.
    pub(super) fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        // Numbers go on from how many there are, so that a model of equal names takes no time.
        let mut number = self.taken.len();
        while name.is_empty() || !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// Appends an operation under the name of the node that is being read.
    pub(super) fn add(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId, String> {
        let name = self.unique(&self.current.0.clone());
        let parameters = self.current.1.take();
        self.builder.add_sharing(&name, op, inputs, parameters).map_err(|e| e.kind.to_string())
    }
}

fn shape_of(input: &ValueInfoProto) -> Result<Shape, OnnxError> {
    let name = &input.name;
    let fail = |problem: String| Err(OnnxError::Model(format!("its input `{name}` {problem}")));
    let tensor = input.kind.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let Some((tensor, dims)) = tensor.and_then(|tensor| Some((tensor, &tensor.shape.as_ref()?.dim))) else {
        return fail("has no shape".to_owned());
    };
    if tensor.elem_type != FLOAT {
        return fail(format!("has type {}; only 32-bit floats are supported", type_name(tensor.elem_type)));
    }
    let mut shape = Vec::with_capacity(dims.len());
    for (axis, dim) in dims.iter().enumerate() {
        match dim.dim_value {
            Some(size) if size > 0 => shape.push(size as usize),
            Some(size) => return fail(format!("has the size {size} in dimension {axis}")),
            None if axis == 0 => shape.push(1),
            None => {
                let name = &dim.dim_param;
                return fail(format!("has no fixed size in dimension {axis} (`{name}`): export it with a fixed one"));
            }
        }
    }
    Ok(Shape(shape))
}
