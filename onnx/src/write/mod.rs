//! Converts a graph to the bytes of an ONNX model.

mod general;
mod int8;
mod operators;
mod values;
mod weights;

use std::collections::{HashMap, HashSet};

use nasprof_graph::parameters::specs_of;
use nasprof_graph::{Graph, Node, NodeId, Op, Shape};
use prost::Message;

use self::values::{Range, constant, floats_of, info, int_tensor, numbers, tensor};
use super::error::OnnxError;
use super::schema::{
    AttributeProto, FLOAT, FLOAT16, GraphProto, IR_VERSION, ModelProto, NodeProto, OPSET, OperatorSetIdProto,
    StringStringEntryProto, TensorProto, UINT8, ValueInfoProto,
};

pub use self::weights::Weights;

/// Protocol Buffers address 2 GiB; the rest of a model has ample room in the remainder.
const MAX_WEIGHTS: u64 = (2 << 30) - (64 << 20);

/// Suffix of a layer's name for its value before an activation that belongs to the layer.
const BEFORE_ACTIVATION: &str = "/before_activation";
/// Suffix for the value before a sum.
const BEFORE_SUM: &str = "/before_sum";

/// Metadata of a model in 8-bit integers.
const INT8_KEY: &str = "nasprof.int8";
const INT8_NOTE: &str = "for timing only: scales and zero points are fixed, nothing was calibrated";

/// The name of the layer that computes a value of a written model.
#[must_use]
pub fn layer_of(value: &str) -> &str {
    let value = value.strip_suffix(BEFORE_SUM).unwrap_or(value);
    value.strip_suffix(BEFORE_ACTIVATION).unwrap_or(value)
}

/// The type of a model's floats: of its inputs, its outputs and its stored tensors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Floats {
    /// 32 bits.
    #[default]
    Single,
    /// 16 bits, as in IEEE 754.
    Half,
}

/// An ONNX model of a network without choices, as it runs at inference. `metadata` are pairs of key and value for the
/// model; a caller with random weights says so there. The scales of a network with operations on 8-bit integers are not
/// calibrated, and its model says so.
///
/// # Errors
/// A choice or an operation that ONNX does not have, weights that do not fit the network or are too large.
pub fn write(
    graph: &Graph,
    name: &str,
    weights: &Weights<'_>,
    metadata: &[(&str, String)],
) -> Result<Vec<u8>, OnnxError> {
    write_in(graph, name, weights, metadata, Floats::Single)
}

/// The same with floats of a given type.
///
/// # Errors
/// As [`write`].
pub fn write_in(
    graph: &Graph,
    name: &str,
    weights: &Weights<'_>,
    metadata: &[(&str, String)],
    floats: Floats,
) -> Result<Vec<u8>, OnnxError> {
    let bytes = graph.stored_bytes();
    if bytes > MAX_WEIGHTS {
        return Err(OnnxError::TooLarge(bytes));
    }
    let mut writer = Writer {
        graph,
        weights,
        taken: HashSet::new(),
        values: Vec::new(),
        stored: HashMap::new(),
        floats,
        ranges: HashMap::new(),
        body: GraphProto { name: name.to_owned(), ..GraphProto::default() },
    };
    for node in graph.nodes() {
        writer.node(node)?;
    }
    writer.outputs();
    let uncalibrated = (!writer.ranges.is_empty()).then(|| (INT8_KEY, INT8_NOTE.to_owned()));
    let entry = |(key, value): &(&str, String)| StringStringEntryProto { key: (*key).to_owned(), value: value.clone() };
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "nasprof".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(writer.body),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: metadata.iter().chain(&uncalibrated).map(entry).collect(),
    };
    Ok(model.encode_to_vec())
}

struct Writer<'a> {
    graph: &'a Graph,
    weights: &'a Weights<'a>,
    /// Names of values; all are different.
    taken: HashSet<String>,
    /// The name of each node's value.
    values: Vec<String>,
    /// Names of the parameters in the model, by their path and shape.
    stored: HashMap<(String, Vec<usize>), String>,
    floats: Floats,
    /// The range of floats of each 8-bit value.
    ranges: HashMap<String, Range>,
    body: GraphProto,
}

impl Writer<'_> {
    /// A name that no other value has. It is never empty, because that would mean an absent value.
    fn unique(&mut self, wanted: &str) -> String {
        let wanted = if wanted.is_empty() { "value" } else { wanted };
        let numbered = (2_u64..).map(|n| format!("{wanted}_{n}"));
        let mut candidates = std::iter::once(wanted.to_owned()).chain(numbered);
        loop {
            let name = candidates.next().unwrap_or_default();
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// Appends a node that computes `output`.
    fn emit(&mut self, op_type: &str, inputs: &[&str], output: &str, attributes: &[AttributeProto]) {
        self.body.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op_type.to_owned(),
            attribute: attributes.to_vec(),
            domain: String::new(),
        });
    }

    /// The name of a constant of integers.
    fn constant(&mut self, wanted: &str, values: &[i64]) -> String {
        let name = self.unique(wanted);
        self.emit("Constant", &[], &name, &[constant("value", int_tensor(values))]);
        name
    }

    /// The name of a constant of one float.
    fn scalar(&mut self, wanted: &str, value: f32) -> String {
        let name = self.unique(wanted);
        let value = self.float_tensor("", &[], value.to_le_bytes().to_vec());
        self.emit("Constant", &[], &name, &[constant("value", value)]);
        name
    }

    /// The type of the model's floats.
    fn float_type(&self) -> i32 {
        match self.floats {
            Floats::Single => FLOAT,
            Floats::Half => FLOAT16,
        }
    }

    /// A tensor of the model's floats; `raw` are its values as 32-bit floats in little-endian order.
    fn float_tensor(&self, name: &str, dims: &[usize], raw: Vec<u8>) -> TensorProto {
        let raw = match self.floats {
            Floats::Single => raw,
            Floats::Half => floats_of(&raw).flat_map(|value| half::f16::from_f32(value).to_le_bytes()).collect(),
        };
        tensor(name, numbers(dims), self.float_type(), raw)
    }

    /// Name, type and shape of a value.
    fn info(&self, name: &str, shape: &Shape) -> ValueInfoProto {
        info(name, shape, if self.ranges.contains_key(name) { UINT8 } else { self.float_type() })
    }

    /// The names of a node's parameters, which are put into the model unless another node did it before.
    fn parameters(&mut self, node: &Node) -> Result<Vec<String>, OnnxError> {
        let specs = specs_of(&node.op, &self.graph.input_shapes(node));
        specs
            .iter()
            .map(|spec| {
                let path = format!("{}/{}", node.parameter_path(), spec.suffix);
                let key = (path, spec.dims.clone());
                if let Some(name) = self.stored.get(&key) {
                    return Ok(name.clone());
                }
                let raw = self.weights.raw(node, spec)?;
                let name = self.unique(&key.0);
                self.body.initializer.push(self.float_tensor(&name, &spec.dims, raw));
                self.stored.insert(key, name.clone());
                Ok(name)
            })
            .collect()
    }

    fn node(&mut self, node: &Node) -> Result<(), OnnxError> {
        if node.op.is_stored() && self.is_of_integers(NodeId(self.values.len())) {
            let name = self.int8_constant(node)?;
            self.values.push(name);
            return Ok(());
        }
        if matches!(node.op, Op::Constant { .. }) {
            // Its value is a weight of the model, under the weight's name.
            let names = self.parameters(node)?;
            self.values.extend(names);
            return Ok(());
        }
        if is_copy(&node.op) {
            // The runtime copies between its layouts by itself.
            self.values.push(self.values[node.inputs[0].0].clone());
            return Ok(());
        }
        let output = self.unique(&node.name);
        if matches!(node.op, Op::Input { .. }) {
            if self.is_of_integers(NodeId(self.values.len())) {
                self.int8_input(&output);
            }
            self.body.input.push(self.info(&output, &node.shape));
        } else {
            let first = node.inputs.first().map(|id| self.values[id.0].clone()).unwrap_or_default();
            match &node.op {
                Op::Kernel { op, sum, activation, .. } => {
                    self.kernel(node, op, *sum, activation.as_deref(), &output)?;
                }
                Op::Quantized { op, activation, .. } => self.quantized(node, op, *activation, &output)?,
                Op::Quantize { activation } => self.quantize(&first, *activation, &output),
                Op::Dequantize => drop(self.dequantize(&first, &output)?),
                _ => self.operation(node, &output)?,
            }
            if !node.op.gives_truth() {
                self.body.value_info.push(self.info(&output, &node.shape));
            }
        }
        self.values.push(output);
        Ok(())
    }

    /// Whether only operations on 8-bit integers read an input or a stored value.
    fn is_of_integers(&self, input: NodeId) -> bool {
        let mut readers = self.graph.nodes().iter().filter(|node| node.inputs.contains(&input)).peekable();
        readers.peek().is_some() && readers.all(|node| node.op.takes_int8())
    }

    /// A kernel of a runtime as its single operations: the runtime fuses them again.
    fn kernel(
        &mut self,
        node: &Node,
        op: &Op,
        sum: bool,
        activation: Option<&Op>,
        output: &str,
    ) -> Result<(), OnnxError> {
        let (inputs, summand) = node.inputs.split_at(node.inputs.len() - usize::from(sum));
        let mut last = Node { op: op.clone(), inputs: inputs.to_vec(), ..node.clone() };
        let summand = summand.first().map(|id| self.values[id.0].clone());
        let before_activation = match activation {
            Some(_) => self.unique(&format!("{output}{BEFORE_ACTIVATION}")),
            None => output.to_owned(),
        };
        match summand {
            None => self.operation(&last, &before_activation)?,
            Some(summand) => {
                let before_sum = self.unique(&format!("{output}{BEFORE_SUM}"));
                self.operation(&last, &before_sum)?;
                self.emit("Add", &[&before_sum, &summand], &before_activation, &[]);
            }
        }
        if let Some(activation) = activation {
            last.op = activation.clone();
            last.inputs = Vec::new();
            self.operation_on(&last, vec![before_activation], output)?;
        }
        Ok(())
    }

    fn operation(&mut self, node: &Node, output: &str) -> Result<(), OnnxError> {
        let operands = node.inputs.iter().map(|id| self.values[id.0].clone()).collect();
        self.operation_on(node, operands, output)
    }

    fn operation_on(&mut self, node: &Node, operands: Vec<String>, output: &str) -> Result<(), OnnxError> {
        let parameters = self.parameters(node)?;
        let inputs: Vec<&str> = operands.iter().chain(&parameters).map(String::as_str).collect();
        self.operator(node, &inputs, output)
    }

    /// Gives every output a name of its own, different from the inputs.
    fn outputs(&mut self) {
        let mut seen: HashSet<NodeId> = HashSet::new();
        for &id in self.graph.outputs() {
            let node = self.graph.node(id);
            let mut name = self.values[id.0].clone();
            let mut given = id;
            while is_copy(&self.graph.node(given).op) {
                given = self.graph.node(given).inputs[0];
            }
            if matches!(self.graph.node(given).op, Op::Input { .. }) || !seen.insert(given) {
                let copy = self.unique("output");
                self.emit("Identity", &[&name], &copy, &[]);
                if let Some(range) = self.ranges.get(&name).cloned() {
                    self.ranges.insert(copy.clone(), range);
                }
                name = copy;
            }
            self.body.output.push(self.info(&name, &node.shape));
        }
    }
}

/// Whether an operation is a runtime's copy of a value between its layouts.
fn is_copy(op: &Op) -> bool {
    matches!(op.core(), Op::Reorder { .. } | Op::ChannelsLast { .. })
}
