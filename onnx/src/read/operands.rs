//! The inputs of a node: computed values, weights, and constants whose values matter.

use nasprof_graph::{NodeId, Op, Shape};

use super::super::schema::{FLOAT, NodeProto};
use super::attributes::Attributes;
use super::axes::{axis_in, split_into};
use super::message::Tensor;
use super::reader::{Reader, Value};

impl<'a> Reader<'a> {
    /// The name of an input, if it is present.
    pub(super) fn name(node: &'a NodeProto, index: usize) -> Option<&'a str> {
        node.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    pub(super) fn value(&self, node: &'a NodeProto, index: usize) -> Result<&Value<'a>, String> {
        let name = Self::name(node, index).ok_or_else(|| format!("input {index} is missing"))?;
        self.values.get(name).ok_or_else(|| {
            format!("no earlier node computes its input `{name}`: the nodes are not in order, or form a cycle")
        })
    }

    /// An input as an operand; a constant becomes stored values.
    pub(super) fn operand(&mut self, node: &'a NodeProto, index: usize) -> Result<NodeId, String> {
        self.operand_of_rank(node, index, 0)
    }

    /// As `operand`; a constant gets at least `rank` dimensions, added in front as broadcasting does.
    pub(super) fn operand_of_rank(&mut self, node: &'a NodeProto, index: usize, rank: usize) -> Result<NodeId, String> {
        let tensor = match self.value(node, index)? {
            Value::Node(id) => return Ok(*id),
            Value::Constant(tensor) => tensor.clone(),
        };
        let name = node.input[index].as_str();
        let sizes = tensor.sizes().map_err(|problem| format!("its input `{name}` {problem}"))?;
        let rank = rank.max(sizes.len());
        if let Some(id) = self.stored.get(&(name, rank)) {
            return Ok(*id);
        }
        let shape = Shape(std::iter::repeat_n(1, rank - sizes.len()).chain(sizes).collect());
        let op =
            if tensor.data_type == FLOAT && tensor.is_zero() { Op::Zeros { shape } } else { Op::Constant { shape } };
        let unique = self.unique(name);
        let id = self.builder.add(&unique, op, &[]).map_err(|e| e.kind.to_string())?;
        self.stored.insert((name, rank), id);
        Ok(id)
    }

    /// All inputs as operands.
    pub(super) fn operands(&mut self, node: &'a NodeProto) -> Result<Vec<NodeId>, String> {
        (0..node.input.len()).map(|i| self.operand(node, i)).collect()
    }

    pub(super) fn shape(&self, id: NodeId) -> &Shape {
        self.builder.shape(id)
    }

    /// A constant input, if it is present.
    pub(super) fn constant(&self, node: &'a NodeProto, index: usize) -> Result<Option<&Tensor<'a>>, String> {
        let Some(name) = Self::name(node, index) else { return Ok(None) };
        match self.value(node, index)? {
            Value::Constant(tensor) => Ok(Some(tensor)),
            Value::Node(_) => Err(format!("its input `{name}` is computed, only a constant is supported")),
        }
    }

    /// The value of an input that is a known single number.
    pub(super) fn known_number(&self, node: &'a NodeProto, index: usize) -> Option<f64> {
        match self.value(node, index) {
            Ok(Value::Constant(tensor)) => tensor.number(),
            _ => None,
        }
    }

    /// A constant list of integers.
    pub(super) fn ints(&self, node: &'a NodeProto, index: usize) -> Result<Option<Vec<i64>>, String> {
        let Some(tensor) = self.constant(node, index)? else { return Ok(None) };
        tensor.ints().map(Some).map_err(|problem| format!("its input `{}` {problem}", node.input[index]))
    }

    /// Axes, which are an attribute or, in later versions, an input.
    pub(super) fn axes(
        &self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
        index: usize,
    ) -> Result<Option<Vec<i64>>, String> {
        match attributes.ints("axes")? {
            Some(axes) => Ok(Some(axes)),
            None => self.ints(node, index),
        }
    }

    /// Axes of a reduction in increasing order. If none are named: all axes, or none with `noop_with_empty_axes`.
    pub(super) fn reduced_axes(
        &self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
        rank: usize,
    ) -> Result<Vec<usize>, String> {
        let none = attributes.int("noop_with_empty_axes")?.unwrap_or(0) != 0;
        let axes = self.axes(node, attributes, 1)?.filter(|axes| !axes.is_empty());
        let Some(axes) = axes else { return Ok(if none { Vec::new() } else { (0..rank).collect() }) };
        let mut known = axes.iter().map(|&axis| axis_in(axis, rank)).collect::<Result<Vec<_>, _>>()?;
        known.sort_unstable();
        known.dedup();
        Ok(known)
    }

    /// The axis of a `Split`, and the sizes of its parts.
    pub(super) fn split_sizes(
        &self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
        dims: &[usize],
    ) -> Result<(usize, Vec<usize>), String> {
        let axis = axis_in(attributes.int("axis")?.unwrap_or(0), dims.len())?;
        let given = match attributes.ints("split")? {
            Some(sizes) => Some(sizes),
            None => self.ints(node, 1)?,
        };
        attributes.ignore(&["num_outputs"]);
        Ok((axis, split_into(dims[axis], given.as_deref(), node.output.len())?))
    }

    /// Shape of a weight; its values are not read.
    pub(super) fn weight(&self, node: &'a NodeProto, index: usize) -> Result<Vec<usize>, String> {
        let tensor = self.constant(node, index)?.ok_or_else(|| format!("input {index} is missing"))?;
        match tensor.problem_as_floats() {
            Some(problem) => Err(format!("its weight `{}` {problem}", node.input[index])),
            None => tensor.sizes().map_err(|problem| format!("its weight `{}` {problem}", node.input[index])),
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

    /// Nodes that read the same weight share their parameters.
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
