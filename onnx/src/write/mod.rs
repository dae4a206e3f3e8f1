//! Converts a graph to the bytes of an ONNX model.

mod values;
mod weights;

use std::collections::{HashMap, HashSet};

use nasprof_graph::cost::ELEMENT_BYTES;
use nasprof_graph::parameters::specs_of;
use nasprof_graph::{Activation, Graph, Node, NodeId, Op, ResizeMode};
use prost::Message;

use self::values::{constant, float, float_tensor, info, int, int_tensor, ints, numbers, string};
use super::error::OnnxError;
use super::schema::{
    AttributeProto, GraphProto, IR_VERSION, ModelProto, NodeProto, OPSET, OperatorSetIdProto, StringStringEntryProto,
};

pub use self::weights::Weights;

/// Protocol Buffers address 2 GiB; what is not weights has ample room in the rest.
const MAX_WEIGHTS: u64 = (2 << 30) - (64 << 20);

/// What follows the name of a layer in the name of its value before an activation that belongs to the layer.
const BEFORE_ACTIVATION: &str = "/before_activation";
/// The same before a sum.
const BEFORE_SUM: &str = "/before_sum";

/// The name of the layer that gives a value of a written model.
#[must_use]
pub fn layer_of(value: &str) -> &str {
    let value = value.strip_suffix(BEFORE_SUM).unwrap_or(value);
    value.strip_suffix(BEFORE_ACTIVATION).unwrap_or(value)
}

/// An ONNX model of a network without choices, as it runs at inference. `metadata` are pairs of key and value that the
/// model carries; who writes random weights says so there.
///
/// # Errors
/// A choice or an operation that ONNX does not have, weights that do not fit the network or are too large.
pub fn write(
    graph: &Graph,
    name: &str,
    weights: &Weights<'_>,
    metadata: &[(&str, String)],
) -> Result<Vec<u8>, OnnxError> {
    let cost = graph.cost();
    let bytes = cost.params.saturating_add(cost.buffers).saturating_mul(ELEMENT_BYTES);
    if bytes > MAX_WEIGHTS {
        return Err(OnnxError::TooLarge(bytes));
    }
    let mut writer = Writer {
        graph,
        weights,
        taken: HashSet::new(),
        values: Vec::new(),
        stored: HashMap::new(),
        body: GraphProto { name: name.to_owned(), ..GraphProto::default() },
    };
    for node in graph.nodes() {
        writer.node(node)?;
    }
    writer.outputs();
    let entry = |(key, value): &(&str, String)| StringStringEntryProto { key: (*key).to_owned(), value: value.clone() };
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "nasprof".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(writer.body),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: metadata.iter().map(entry).collect(),
    };
    Ok(model.encode_to_vec())
}

struct Writer<'a> {
    graph: &'a Graph,
    weights: &'a Weights<'a>,
    /// Names of values, which are all different.
    taken: HashSet<String>,
    /// The name of each node's value.
    values: Vec<String>,
    /// Names of parameters that are in the model, by their path and shape.
    stored: HashMap<(String, Vec<usize>), String>,
    body: GraphProto,
}

impl Writer<'_> {
    /// A name that no other value has. The empty one would mean a value that is left out.
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

    /// Appends a node that gives `output`.
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
        self.emit("Constant", &[], &name, &[constant("value", float_tensor("", &[], value.to_le_bytes().to_vec()))]);
        name
    }

    /// The names of a node's parameters, which are put into the model unless another node did.
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
                self.body.initializer.push(float_tensor(&name, &spec.dims, raw));
                self.stored.insert(key, name.clone());
                Ok(name)
            })
            .collect()
    }

    fn node(&mut self, node: &Node) -> Result<(), OnnxError> {
        if let Op::Reorder { .. } = node.op {
            // The runtime copies between its layouts by itself.
            self.values.push(self.values[node.inputs[0].0].clone());
            return Ok(());
        }
        let output = self.unique(&node.name);
        if matches!(node.op, Op::Input { .. }) {
            self.body.input.push(info(&output, &node.shape));
        } else {
            if let Op::Kernel { op, sum, activation, .. } = &node.op {
                self.kernel(node, op, *sum, activation.as_deref(), &output)?;
            } else {
                self.operation(node, &output)?;
            }
            self.body.value_info.push(info(&output, &node.shape));
        }
        self.values.push(output);
        Ok(())
    }

    /// A kernel of a runtime as the operations that it is made of: the runtime puts them together again.
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
        let mut inputs: Vec<&str> = operands.iter().map(String::as_str).collect();
        let parameters = self.parameters(node)?;
        inputs.extend(parameters.iter().map(String::as_str));
        match &node.op {
            Op::Conv { kernel, stride, pad, dilation, groups, activation, .. } => {
                let mut attributes = window(*kernel, *stride, *pad).to_vec();
                attributes.extend([ints("dilations", dilation), int("group", *groups as i64)]);
                let Some(activation) = activation else {
                    self.emit("Conv", &inputs, output, &attributes);
                    return Ok(());
                };
                let before = self.unique(&format!("{output}{BEFORE_ACTIVATION}"));
                self.emit("Conv", &inputs, &before, &attributes);
                match activation {
                    Activation::Relu => self.emit("Relu", &[&before], output, &[]),
                    Activation::Relu6 => self.relu6(&before, output),
                }
            }
            Op::Linear { .. } => self.linear(node, &inputs, output),
            Op::BatchNorm { epsilon } => {
                self.emit("BatchNormalization", &inputs, output, &[float("epsilon", *epsilon)]);
            }
            Op::Relu => self.emit("Relu", &inputs, output, &[]),
            Op::Relu6 => self.relu6(inputs[0], output),
            Op::LeakyRelu { slope } => self.emit("LeakyRelu", &inputs, output, &[float("alpha", *slope)]),
            Op::Hsigmoid => {
                self.emit("HardSigmoid", &inputs, output, &[float("alpha", 1.0 / 6.0), float("beta", 0.5)]);
            }
            Op::Hswish => self.emit("HardSwish", &inputs, output, &[]),
            Op::Sigmoid => self.emit("Sigmoid", &inputs, output, &[]),
            Op::Tanh => self.emit("Tanh", &inputs, output, &[]),
            Op::Softmax { axis } => self.emit("Softmax", &inputs, output, &[int("axis", *axis as i64)]),
            Op::MaxPool { kernel, stride, pad } => {
                self.emit("MaxPool", &inputs, output, &window(*kernel, *stride, *pad));
            }
            Op::AvgPool { kernel, stride, pad, count_padding } => {
                let mut attributes = window(*kernel, *stride, *pad).to_vec();
                attributes.push(int("count_include_pad", i64::from(*count_padding)));
                self.emit("AveragePool", &inputs, output, &attributes);
            }
            Op::GlobalAvgPool => self.emit("GlobalAveragePool", &inputs, output, &[]),
            Op::Add => {
                let op_type = ["Identity", "Add"].get(inputs.len() - 1).unwrap_or(&"Sum");
                self.emit(op_type, &inputs, output, &[]);
            }
            Op::Mul => self.product(&inputs, output),
            Op::Concat { axis } => self.emit("Concat", &inputs, output, &[int("axis", *axis as i64)]),
            Op::Flatten => self.emit("Flatten", &inputs, output, &[int("axis", 1)]),
            Op::Crop { top, left } => {
                let starts = self.constant(&format!("{output}/starts"), &[*top as i64, *left as i64]);
                let ends = self.constant(&format!("{output}/ends"), &[i64::MAX; 2]);
                let axes = self.constant(&format!("{output}/axes"), &[2, 3]);
                self.emit("Slice", &[inputs[0], &starts, &ends, &axes], output, &[]);
            }
            Op::Pad { padding } => {
                let [top, bottom, left, right] = padding.map(|p| p as i64);
                let pads = self.constant(&format!("{output}/pads"), &[0, 0, top, left, 0, 0, bottom, right]);
                self.emit("Pad", &[inputs[0], &pads], output, &[string("mode", "constant")]);
            }
            Op::Resize { mode, .. } => self.resize(node, inputs[0], *mode, output),
            Op::MatMul => self.emit("MatMul", &inputs, output, &[]),
            // At inference these hand their input on.
            Op::Identity | Op::Dropout { .. } | Op::DropPath { .. } => self.emit("Identity", &inputs, output, &[]),
            Op::Zero { .. } | Op::Zeros { .. } => {
                let shape = self.constant(&format!("{output}/shape"), &numbers(&node.shape.0));
                self.emit("ConstantOfShape", &[&shape], output, &[]);
            }
            Op::Input { .. } | Op::Choice { .. } | Op::Custom { .. } | Op::Kernel { .. } | Op::Reorder { .. } => {
                let (node, op) = (node.name.clone(), node.op.name().to_owned());
                return Err(OnnxError::NoCounterpart { node, op });
            }
        }
        Ok(())
    }

    fn relu6(&mut self, input: &str, output: &str) {
        let (low, high) = (self.scalar(&format!("{output}/min"), 0.0), self.scalar(&format!("{output}/max"), 6.0));
        self.emit("Clip", &[input, &low, &high], output, &[]);
    }

    /// `Gemm` on matrices. On more dimensions a product with the transposed weights, and a sum.
    fn linear(&mut self, node: &Node, inputs: &[&str], output: &str) {
        if node.shape.rank() == 2 {
            self.emit("Gemm", inputs, output, &[int("transB", 1)]);
            return;
        }
        let transposed = self.unique(&format!("{output}/weight_transposed"));
        self.emit("Transpose", &[inputs[1]], &transposed, &[ints("perm", &[1, 0])]);
        match inputs.get(2) {
            None => self.emit("MatMul", &[inputs[0], &transposed], output, &[]),
            Some(bias) => {
                let before = self.unique(&format!("{output}/before_bias"));
                self.emit("MatMul", &[inputs[0], &transposed], &before, &[]);
                self.emit("Add", &[&before, bias], output, &[]);
            }
        }
    }

    /// ONNX multiplies two at a time.
    fn product(&mut self, inputs: &[&str], output: &str) {
        let [first, middle @ .., last] = inputs else {
            self.emit("Identity", inputs, output, &[]);
            return;
        };
        let mut product = (*first).to_owned();
        for factor in middle {
            let next = self.unique(&format!("{output}/product"));
            self.emit("Mul", &[&product, factor], &next, &[]);
            product = next;
        }
        self.emit("Mul", &[&product, last], output, &[]);
    }

    /// The rounding of libtorch: nearest takes the pixel below, bilinear aligns the pixels' centres.
    fn resize(&mut self, node: &Node, input: &str, mode: ResizeMode, output: &str) {
        let shape = self.constant(&format!("{output}/sizes"), &numbers(&node.shape.0));
        let attributes = match mode {
            ResizeMode::Nearest => vec![
                string("mode", "nearest"),
                string("coordinate_transformation_mode", "asymmetric"),
                string("nearest_mode", "floor"),
            ],
            ResizeMode::Bilinear => {
                vec![string("mode", "linear"), string("coordinate_transformation_mode", "half_pixel")]
            }
        };
        self.emit("Resize", &[input, "", "", &shape], output, &attributes);
    }

    /// An output has a name of its own and is no input.
    fn outputs(&mut self) {
        let mut seen: HashSet<NodeId> = HashSet::new();
        for &id in self.graph.outputs() {
            let node = self.graph.node(id);
            let mut name = self.values[id.0].clone();
            if matches!(node.op, Op::Input { .. } | Op::Reorder { .. }) || !seen.insert(id) {
                let copy = self.unique("output");
                self.emit("Identity", &[&name], &copy, &[]);
                name = copy;
            }
            self.body.output.push(info(&name, &node.shape));
        }
    }
}

fn window(kernel: [usize; 2], stride: [usize; 2], pad: [usize; 2]) -> [AttributeProto; 3] {
    let pads = [pad[0], pad[1], pad[0], pad[1]];
    [ints("kernel_shape", &kernel), ints("strides", &stride), ints("pads", &pads)]
}
