//! Converts the untrusted bytes of an ONNX model to a graph.

mod array;
mod attributes;
mod axes;
mod elementwise;
mod fold;
mod inputs;
mod limits;
mod message;
mod norms;
mod operands;
mod operators;
mod patterns;
mod reader;
mod recurrent;
mod reductions;
mod reshapes;
mod resize;
mod simplify;
mod windows;

use std::collections::BTreeMap;

use nasprof_graph::{Graph, MAX_NODES, NodeId};
use prost::Message;

use self::attributes::Attributes;
pub use self::inputs::InputShapes;
use self::message::is_default_domain;
use self::operators::SUPPORTED;
use self::reader::{Reader, Value};
use super::error::{OnnxError, Unsupported};
use super::schema::{GraphProto, ModelProto, NodeProto};

/// Supported versions of the operators: from 7 on they have the meaning assumed here, or the reader handles the
/// difference; versions after the last are unknown.
const VERSIONS: std::ops::RangeInclusive<i64> = 7..=25;

/// Most branches within branches.
const MAX_BRANCHES: usize = 8;

/// The network of an ONNX model. An open batch is 1; all other sizes must be fixed. Only the shapes of weights are read:
/// their values may be missing (stored in another file).
///
/// # Errors
/// Bytes that are no model, unsupported operators or uses of operators (the nodes are named), shapes that do not fit or
/// are absurd, values used before they are computed.
pub fn read(bytes: &[u8]) -> Result<Graph, OnnxError> {
    read_with(bytes, &InputShapes::new())
}

/// As [`read`], with shapes for inputs whose sizes the model leaves open.
///
/// # Errors
/// As [`read`]; a shape for an input that does not exist, or that contradicts the model.
pub fn read_with(bytes: &[u8], shapes: &InputShapes) -> Result<Graph, OnnxError> {
    limits::check(bytes)?;
    let model = ModelProto::decode(bytes)?;
    let opset = model.opset_import.iter().rfind(|opset| is_default_domain(&opset.domain));
    let version = opset.ok_or_else(|| OnnxError::Model("it does not state its operator set".to_owned()))?.version;
    if !VERSIONS.contains(&version) {
        let (first, last) = (VERSIONS.start(), VERSIONS.end());
        return Err(OnnxError::Model(format!("its operator set is {version}; {first} to {last} are supported")));
    }
    let graph = model.graph.as_ref().ok_or_else(|| OnnxError::Model("it holds no graph".to_owned()))?;
    if graph.node.len() > MAX_NODES {
        return Err(OnnxError::TooManyParts(MAX_NODES));
    }
    check_operators(graph)?;
    let mut reader = Reader::new(graph, version, shapes)?;
    reader.nodes(graph, 0)?;
    let outputs = reader.outputs(graph)?;
    if outputs.is_empty() {
        return Err(OnnxError::Model("it has no outputs".to_owned()));
    }
    Ok(simplify::simplified(&reader.builder.build(&outputs)?)?)
}

/// Refuses unsupported operators, all in one error.
fn check_operators(graph: &GraphProto) -> Result<(), OnnxError> {
    let mut unknown: BTreeMap<String, Unsupported> = BTreeMap::new();
    for node in &graph.node {
        if is_default_domain(&node.domain) && SUPPORTED.contains(&node.op_type.as_str()) {
            continue;
        }
        let domain = if is_default_domain(&node.domain) { String::new() } else { format!("{}.", node.domain) };
        let op = format!("{domain}{}", node.op_type);
        let first = Unsupported { op: op.clone(), node: shown(node).to_owned(), count: 0 };
        unknown.entry(op).or_insert(first).count += 1;
    }
    if unknown.is_empty() { Ok(()) } else { Err(OnnxError::Operators(unknown.into_values().collect())) }
}

/// The name of a node in messages.
fn shown(node: &NodeProto) -> &str {
    if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name }
}

impl<'a> Reader<'a> {
    fn nodes(&mut self, graph: &'a GraphProto, depth: usize) -> Result<(), OnnxError> {
        graph.node.iter().try_for_each(|node| self.node(node, depth))
    }

    fn outputs(&mut self, graph: &'a GraphProto) -> Result<Vec<NodeId>, OnnxError> {
        let mut outputs = Vec::with_capacity(graph.output.len());
        for name in graph.output.iter().map(|output| output.name.as_str()) {
            match self.values.get(name) {
                Some(Value::Node(id)) => outputs.push(*id),
                Some(Value::Constant(_)) => return Err(OnnxError::Model(format!("its output `{name}` is a constant"))),
                None => return Err(OnnxError::Model(format!("no node computes its output `{name}`"))),
            }
        }
        Ok(outputs)
    }

    fn node(&mut self, node: &'a NodeProto, depth: usize) -> Result<(), OnnxError> {
        let fail = |problem| OnnxError::Node { node: shown(node).to_owned(), op: node.op_type.clone(), problem };
        if node.output.first().is_none_or(String::is_empty) {
            return Err(fail("it has no output".to_owned()));
        }
        let attributes = Attributes::new(&node.attribute).map_err(fail)?;
        self.current = (shown(node).to_owned(), None);
        let values = match node.op_type.as_str() {
            "If" => self.branch(node, attributes, depth)?,
            _ => self.operator(node, attributes).map_err(fail)?,
        };
        let mut values = values.into_iter();
        for name in node.output.iter().map(String::as_str) {
            match values.next() {
                _ if name.is_empty() => {}
                Some(value) => self.define(name, value)?,
                None if self.uses.contains_key(name) => {
                    return Err(fail(format!("its output `{name}` is not supported")));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// The branch that a known condition takes, read in the node's place.
    fn branch(
        &mut self,
        node: &'a NodeProto,
        mut attributes: Attributes<'a>,
        depth: usize,
    ) -> Result<Vec<Value<'a>>, OnnxError> {
        let fail = |problem: String| OnnxError::Node { node: shown(node).to_owned(), op: "If".to_owned(), problem };
        let Some(condition) = self.known_number(node, 0) else {
            // An unknown name is reported first.
            self.value(node, 0).map_err(fail)?;
            return Err(fail("its condition is not known before the model runs".to_owned()));
        };
        let name = if condition == 0.0 { "else_branch" } else { "then_branch" };
        let branch = attributes.graph(name).map_err(fail)?.ok_or_else(|| fail(format!("`{name}` is missing")))?;
        if depth >= MAX_BRANCHES {
            return Err(fail("branches are nested too deeply".to_owned()));
        }
        check_operators(branch)?;
        self.weights(branch)?;
        self.nodes(branch, depth + 1)?;
        let value = |name: &str| self.values.get(name).cloned();
        let outputs: Option<Vec<Value<'a>>> = branch.output.iter().map(|output| value(&output.name)).collect();
        outputs.ok_or_else(|| fail(format!("nothing computes an output of `{name}`")))
    }
}
