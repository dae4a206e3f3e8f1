//! Converts the untrusted bytes of an ONNX model to a graph.

mod attributes;
mod limits;
mod message;
mod operands;
mod operators;
mod reader;
mod reshapes;
mod windows;

use nasprof_graph::{Graph, MAX_NODES};
use prost::Message;

use self::attributes::Attributes;
use self::message::is_default_domain;
use self::operators::SUPPORTED;
use self::reader::{Reader, Value};
use super::error::OnnxError;
use super::schema::{GraphProto, ModelProto, NodeProto};

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
    Reader::new(graph, version)?.graph(graph)
}

impl<'a> Reader<'a> {
    fn graph(mut self, model: &'a GraphProto) -> Result<Graph, OnnxError> {
        for node in &model.node {
            self.node(node)?;
        }
        let mut outputs = Vec::with_capacity(model.output.len());
        for name in model.output.iter().map(|output| output.name.as_str()) {
            match self.values.get(name) {
                Some(Value::Node(id)) => outputs.push(*id),
                Some(Value::Constant(_)) => return Err(OnnxError::Model(format!("its output `{name}` is a constant"))),
                None => return Err(OnnxError::Model(format!("no node computes its output `{name}`"))),
            }
        }
        if outputs.is_empty() {
            return Err(OnnxError::Model("it has no outputs".to_owned()));
        }
        Ok(self.builder.build(&outputs)?)
    }

    fn node(&mut self, node: &'a NodeProto) -> Result<(), OnnxError> {
        let output = node.output.first().map_or("", String::as_str);
        let shown = if node.name.is_empty() { output } else { &node.name };
        if !is_default_domain(&node.domain) || !SUPPORTED.contains(&node.op_type.as_str()) {
            let domain = if is_default_domain(&node.domain) { String::new() } else { format!("{}.", node.domain) };
            return Err(OnnxError::Operator {
                node: shown.to_owned(),
                op: format!("{domain}{}", node.op_type),
                supported: SUPPORTED.join(", "),
            });
        }
        let fail = |problem| OnnxError::Node { node: shown.to_owned(), op: node.op_type.clone(), problem };
        if output.is_empty() {
            return Err(fail("it has no output".to_owned()));
        }
        let attributes = Attributes::new(&node.attribute).map_err(fail)?;
        self.current = (shown.to_owned(), None);
        let value = self.operator(node, attributes).map_err(fail)?;
        self.define(output, value)
    }
}
