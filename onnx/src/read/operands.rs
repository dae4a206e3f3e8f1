//! The inputs of a node: computed values, weights, and constants whose values matter.

use nasprof_graph::{NodeId, Shape};

use super::super::schema::NodeProto;
use super::message::Tensor;
use super::reader::{Reader, Value};

impl<'a> Reader<'a> {
    /// The name of an input, if it is there.
    pub(super) fn name(node: &'a NodeProto, index: usize) -> Option<&'a str> {
        node.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    pub(super) fn value(&self, node: &'a NodeProto, index: usize) -> Result<&Value<'a>, String> {
        let name = Self::name(node, index).ok_or_else(|| format!("input {index} is missing"))?;
        self.values.get(name).ok_or_else(|| {
            format!("no earlier node computes its input `{name}`: the nodes are not in order, or form a cycle")
        })
    }

    /// A computed input.
    pub(super) fn operand(&self, node: &'a NodeProto, index: usize) -> Result<NodeId, String> {
        match self.value(node, index)? {
            Value::Node(id) => Ok(*id),
            Value::Constant(_) => Err(format!("its input `{}` is a constant", node.input[index])),
        }
    }

    /// All inputs, computed.
    pub(super) fn operands(&self, node: &'a NodeProto) -> Result<Vec<NodeId>, String> {
        (0..node.input.len()).map(|i| self.operand(node, i)).collect()
    }

    pub(super) fn shape(&self, id: NodeId) -> &Shape {
        self.builder.shape(id)
    }

    /// A constant input, if it is there.
    pub(super) fn constant(&self, node: &'a NodeProto, index: usize) -> Result<Option<&Tensor<'a>>, String> {
        let Some(name) = Self::name(node, index) else { return Ok(None) };
        match self.value(node, index)? {
            Value::Constant(tensor) => Ok(Some(tensor)),
            Value::Node(_) => Err(format!("its input `{name}` is computed, only a constant is supported")),
        }
    }

    /// A constant list of integers.
    pub(super) fn ints(&self, node: &'a NodeProto, index: usize) -> Result<Option<Vec<i64>>, String> {
        let Some(tensor) = self.constant(node, index)? else { return Ok(None) };
        tensor.ints().map(Some).map_err(|problem| format!("its input `{}` {problem}", node.input[index]))
    }

    /// A constant float.
    pub(super) fn float(&self, node: &'a NodeProto, index: usize) -> Result<Option<f32>, String> {
        let Some(tensor) = self.constant(node, index)? else { return Ok(None) };
        tensor.float().map(Some).map_err(|problem| format!("its input `{}` {problem}", node.input[index]))
    }

    /// Shape of a weight, whose values are not looked at.
    pub(super) fn weight(&self, node: &'a NodeProto, index: usize) -> Result<Vec<usize>, String> {
        let tensor = self.constant(node, index)?.ok_or_else(|| format!("input {index} is missing"))?;
        match tensor.problem_as_floats() {
            Some(problem) => Err(format!("its weight `{}` {problem}", node.input[index])),
            None => Ok(tensor.dims.iter().map(|&d| d as usize).collect()),
        }
    }

    /// Whether there is a bias, which must have one value for each of `outputs`.
    pub(super) fn bias(&self, node: &'a NodeProto, index: usize, outputs: usize) -> Result<bool, String> {
        if Self::name(node, index).is_none() {
            return Ok(false);
        }
        let dims = self.weight(node, index)?;
        if dims == [outputs] { Ok(true) } else { Err(format!("its bias has the shape {}", Shape(dims))) }
    }

    /// Nodes that read the same weight have their parameters in one place.
    pub(super) fn share(&mut self, node: &'a NodeProto, index: usize) {
        let name = node.input[index].as_str();
        if self.uses.get(name).is_some_and(|&uses| uses > 1) {
            let path = self.shared.get(name).cloned().unwrap_or_else(|| self.unique(name));
            self.shared.insert(name, path.clone());
            self.current.1 = Some(path);
        }
    }

    /// Whether only one node, and no output, reads a value.
    pub(super) fn is_used_once(&self, name: &str) -> bool {
        self.uses.get(name) == Some(&1)
    }
}
