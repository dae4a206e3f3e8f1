//! Converts the untrusted bytes of an ONNX model to a graph.

mod attributes;
mod message;
mod operands;
mod operators;
mod reshapes;
mod windows;

use std::collections::{HashMap, HashSet};

use nasprof_graph::{Graph, GraphBuilder, MAX_NODES, NodeId, Op, Shape};

use self::attributes::Attributes;
use self::message::{Input, Model, RawNode, Tensor, is_default_domain, parse, type_name};
use self::operators::SUPPORTED;
use super::OnnxError;
use super::schema::FLOAT;

/// Versions of the operators that are read: from 9 on they mean what they mean here, or the difference is looked at;
/// those after the last are not known.
const VERSIONS: std::ops::RangeInclusive<i64> = 9..=25;

/// The network of an ONNX model. A batch that is not fixed is 1; all other sizes must be. Values of weights are not looked
/// at, so they may be missing (stored in another file); their shapes are.
///
/// # Errors
/// Bytes that are no model, an operator or a use of one that our operations do not have (the node is named), shapes that
/// do not fit or are absurd, values used before they are computed.
pub fn read(bytes: &[u8]) -> Result<Graph, OnnxError> {
    let model = parse(bytes)?;
    let version = model.opset.ok_or_else(|| OnnxError::Model("it does not say which operators it uses".to_owned()))?;
    if !VERSIONS.contains(&version) {
        let (first, last) = (VERSIONS.start(), VERSIONS.end());
        return Err(OnnxError::Model(format!("its operators are of version {version}; {first} to {last} are known")));
    }
    if model.nodes.len() > MAX_NODES {
        return Err(OnnxError::TooManyParts(MAX_NODES));
    }
    Reader::new(&model, version)?.graph(&model)
}

/// What a name in the model stands for.
#[derive(Debug, Clone)]
enum Value<'a> {
    Node(NodeId),
    Constant(Tensor<'a>),
}

struct Reader<'a> {
    version: i64,
    builder: GraphBuilder,
    values: HashMap<&'a str, Value<'a>>,
    /// How many nodes and outputs read a value.
    uses: HashMap<&'a str, usize>,
    /// Where parameters are kept that several nodes read, by the weight's name.
    shared: HashMap<&'a str, String>,
    /// Names of our nodes and of shared parameters.
    taken: HashSet<String>,
    /// Our operation's name, and its parameters if others have the same: of the node that is being read.
    current: (String, Option<String>),
}

impl<'a> Reader<'a> {
    /// Inputs and weights.
    fn new(model: &Model<'a>, version: i64) -> Result<Self, OnnxError> {
        let mut uses: HashMap<&str, usize> = HashMap::new();
        for name in model.nodes.iter().flat_map(|n| &n.inputs).chain(&model.outputs) {
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
        for tensor in &model.initializers {
            reader.define(tensor.name, Value::Constant(tensor.clone()))?;
        }
        for input in &model.inputs {
            // Models of old list their weights among the inputs.
            if matches!(reader.values.get(input.name), Some(Value::Constant(_))) {
                continue;
            }
            let name = reader.unique(input.name);
            let id = reader.builder.input(&name, shape_of(input)?)?;
            reader.define(input.name, Value::Node(id))?;
        }
        Ok(reader)
    }

    fn define(&mut self, name: &'a str, value: Value<'a>) -> Result<(), OnnxError> {
        if self.values.insert(name, value).is_some() {
            return Err(OnnxError::Model(format!("two values are called `{name}`")));
        }
        Ok(())
    }

    /// A name for a node of ours: `wanted`, with a number if another one has it.
    fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        // Numbers go on from how many there are, so that a model of equal names takes no time.
        let mut number = self.taken.len();
        while name.is_empty() || !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    fn graph(mut self, model: &Model<'a>) -> Result<Graph, OnnxError> {
        for node in &model.nodes {
            self.node(node)?;
        }
        let mut outputs = Vec::with_capacity(model.outputs.len());
        for name in &model.outputs {
            match self.values.get(name) {
                Some(Value::Node(id)) => outputs.push(*id),
                Some(Value::Constant(_)) => return Err(OnnxError::Model(format!("its output `{name}` is a constant"))),
                None => return Err(OnnxError::Model(format!("nothing gives its output `{name}`"))),
            }
        }
        if outputs.is_empty() {
            return Err(OnnxError::Model("it has no outputs".to_owned()));
        }
        Ok(self.builder.build(&outputs)?)
    }

    fn node(&mut self, node: &RawNode<'a>) -> Result<(), OnnxError> {
        let output = node.outputs.first().copied().unwrap_or_default();
        let shown = if node.name.is_empty() { output } else { node.name };
        if !is_default_domain(node.domain) || !SUPPORTED.contains(&node.op_type) {
            let domain = if is_default_domain(node.domain) { String::new() } else { format!("{}.", node.domain) };
            return Err(OnnxError::Operator {
                node: shown.to_owned(),
                op: format!("{domain}{}", node.op_type),
                supported: SUPPORTED.join(", "),
            });
        }
        let fail = |problem| OnnxError::Node { node: shown.to_owned(), op: node.op_type.to_owned(), problem };
        if output.is_empty() {
            return Err(fail("it has no output".to_owned()));
        }
        let attributes = Attributes::parse(&node.attributes).map_err(fail)?;
        self.current = (shown.to_owned(), None);
        let value = self.operator(node, attributes).map_err(fail)?;
        self.define(output, value)
    }

    /// Appends an operation under the name of the node that is being read.
    fn add(&mut self, op: Op, inputs: &[NodeId]) -> Result<NodeId, String> {
        let name = self.unique(&self.current.0.clone());
        let parameters = self.current.1.take();
        self.builder.add_sharing(&name, op, inputs, parameters).map_err(|e| e.kind.to_string())
    }
}

fn shape_of(input: &Input<'_>) -> Result<Shape, OnnxError> {
    let name = input.name;
    let fail = |problem: String| Err(OnnxError::Model(format!("its input `{name}` {problem}")));
    let Some(dims) = &input.dims else { return fail("has no shape".to_owned()) };
    if input.data_type != FLOAT {
        return fail(format!("is of type {}; only 32-bit floats are measured", type_name(input.data_type)));
    }
    let mut shape = Vec::with_capacity(dims.len());
    for (axis, dim) in dims.iter().enumerate() {
        match dim {
            Ok(size) if *size > 0 => shape.push(*size as usize),
            Ok(size) => return fail(format!("has the size {size} in dimension {axis}")),
            Err(_) if axis == 0 => shape.push(1),
            Err(size) => {
                return fail(format!("has no fixed size in dimension {axis} (`{size}`): export it with a fixed one"));
            }
        }
    }
    Ok(Shape(shape))
}
