//! Networks in 8-bit integers, in the form that runtimes turn into integer kernels: every operand and result of such a
//! kernel is between `QuantizeLinear` and `DequantizeLinear`.
//!
//! Latency does not depend on the values, so scales and zero points are fixed: nothing was calibrated. No two values
//! have the same scale, because runtimes copy a value instead of rescaling it to an equal scale. Operations that only
//! move values keep the scale of their operand.

use nasprof_graph::parameters::{ParameterSpec, specs_of};
use nasprof_graph::{Activation, Node, Op};

use super::super::error::OnnxError;
use super::super::schema::{FLOAT, INT8, INT32, UINT8};
use super::Writer;
use super::values::{Range, floats_of, int, numbers, tensor};

/// Largest integer of a weight: the range is symmetric.
const MAX_WEIGHT: f32 = 127.0;

impl Writer<'_> {
    /// A new range, different from those of all other values.
    fn new_range(&mut self, value: &str, activation: Option<Activation>) -> Range {
        let (width, zero) = match activation {
            Some(Activation::Relu) => (4.0, 0),
            Some(Activation::Relu6) => (6.0, 0),
            None => (6.0, 128),
        };
        let scale = width / 255.0 * (1.0 + self.ranges.len() as f32 / 8192.0);
        let scale_name = self.store(&format!("{value}/scale"), &[], FLOAT, scale.to_le_bytes().to_vec());
        let zero_name = self.store(&format!("{value}/zero_point"), &[], UINT8, vec![zero]);
        Range { scale, names: [scale_name, zero_name] }
    }

    /// Puts a tensor into the model and returns its name.
    fn store(&mut self, wanted: &str, dims: &[usize], data_type: i32, raw: Vec<u8>) -> String {
        let name = self.unique(wanted);
        self.body.initializer.push(tensor(&name, numbers(dims), data_type, raw));
        name
    }

    /// An input of integers, which only integer kernels read.
    pub(super) fn int8_input(&mut self, value: &str) {
        let range = self.new_range(value, None);
        self.ranges.insert(value.to_owned(), range);
    }

    /// Stores a constant as integers and returns its name.
    pub(super) fn int8_constant(&mut self, node: &Node) -> Result<String, OnnxError> {
        let mut floats = vec![0.0; node.shape.elements() as usize];
        if let Some(spec) = specs_of(&node.op, &[]).first() {
            floats = floats_of(&self.weights.raw(node, spec)?).collect();
        }
        let name = self.unique(&node.name);
        let range = self.new_range(&name, None);
        let integer = |value: &f32| (value / range.scale + 128.0).round().clamp(0.0, 255.0) as u8;
        let raw = floats.iter().map(integer).collect();
        self.body.initializer.push(tensor(&name, numbers(&node.shape.0), UINT8, raw));
        self.ranges.insert(name.clone(), range);
        Ok(name)
    }

    /// Converts floats to integers.
    pub(super) fn quantize(&mut self, from: &str, activation: Option<Activation>, output: &str) {
        let range = self.new_range(output, activation);
        self.quantize_to(from, range, output);
    }

    fn quantize_to(&mut self, from: &str, range: Range, output: &str) {
        let [scale, zero] = &range.names;
        self.emit("QuantizeLinear", &[from, scale, zero], output, &[]);
        self.ranges.insert(output.to_owned(), range);
    }

    /// Converts integers to floats.
    pub(super) fn dequantize(&mut self, value: &str, output: &str) -> Result<Range, OnnxError> {
        let Some(range) = self.ranges.get(value).cloned() else {
            return Err(OnnxError::NoIntegers { value: value.to_owned() });
        };
        let [scale, zero] = &range.names;
        self.emit("DequantizeLinear", &[value, scale, zero], output, &[]);
        Ok(range)
    }

    /// An integer kernel: the operation on floats, with conversions on all sides.
    pub(super) fn quantized(
        &mut self,
        node: &Node,
        op: &Op,
        activation: Option<Activation>,
        output: &str,
    ) -> Result<(), OnnxError> {
        let mut inputs = Vec::new();
        let mut ranges = Vec::new();
        for id in &node.inputs {
            let value = self.values[id.0].clone();
            let float = self.unique(&format!("{output}/operand"));
            ranges.push(self.dequantize(&value, &float)?);
            inputs.push(float);
        }
        let float = Node { op: op.clone(), ..node.clone() };
        let Some(first) = ranges.first().cloned() else {
            return Err(OnnxError::NoIntegers { value: node.name.clone() });
        };
        let mut scales = Vec::new();
        for spec in specs_of(op, &self.graph.input_shapes(node)) {
            let parameter = if spec.suffix == "weight" {
                self.weight(&float, &spec, output, &mut scales)?
            } else {
                self.bias(&float, &spec, output, &scales, first.scale)?
            };
            inputs.push(parameter);
        }
        let before = self.unique(&format!("{output}/float"));
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.operator(&float, &inputs, &before)?;
        let range = if op.rescales() { self.new_range(output, activation) } else { first };
        self.quantize_to(&before, range, output);
        Ok(())
    }

    /// Weights in 8 bits: convolutions have a scale for each output channel, other operations a single scale.
    fn weight(
        &mut self,
        node: &Node,
        spec: &ParameterSpec,
        output: &str,
        scales: &mut Vec<f32>,
    ) -> Result<String, OnnxError> {
        let floats: Vec<f32> = floats_of(&self.weights.raw(node, spec)?).collect();
        let channels = if matches!(node.op, Op::Conv { .. }) { spec.dims[0].max(1) } else { 1 };
        let each = floats.len().div_ceil(channels).max(1);
        let of_channel = |channel: &[f32]| channel.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
        *scales = floats.chunks(each).map(|channel| of_channel(channel).max(f32::MIN_POSITIVE) / MAX_WEIGHT).collect();
        let rounded = floats.chunks(each).zip(&*scales).flat_map(|(channel, &scale)| {
            channel.iter().map(move |value| (value / scale).round().clamp(-MAX_WEIGHT, MAX_WEIGHT) as i8 as u8)
        });
        let raw = rounded.collect();
        Ok(self.parameter((node, spec), (INT8, raw), scales, Some(vec![0; channels]), output))
    }

    /// A bias in 32 bits, in units of the operand's scale times the weight's scale.
    fn bias(
        &mut self,
        node: &Node,
        spec: &ParameterSpec,
        output: &str,
        scales: &[f32],
        operand: f32,
    ) -> Result<String, OnnxError> {
        let raw = self.weights.raw(node, spec)?;
        let scales: Vec<f32> = scales.iter().map(|scale| (scale * operand).max(f32::MIN_POSITIVE)).collect();
        let scale_of = |channel: usize| scales.get(channel).or(scales.first()).copied().unwrap_or(1.0);
        let rounded =
            floats_of(&raw).enumerate().flat_map(|(i, value)| ((value / scale_of(i)).round() as i32).to_le_bytes());
        let rounded = rounded.collect();
        Ok(self.parameter((node, spec), (INT32, rounded), &scales, None, output))
    }

    /// Stores a parameter's integers with one scale or a scale for each channel, and with zero points if given. Returns
    /// the name of its floats.
    fn parameter(
        &mut self,
        (node, spec): (&Node, &ParameterSpec),
        (data_type, raw): (i32, Vec<u8>),
        scales: &[f32],
        zeros: Option<Vec<u8>>,
        output: &str,
    ) -> String {
        let dims: Vec<usize> = (scales.len() > 1).then_some(scales.len()).into_iter().collect();
        let path = format!("{}/{}", node.parameter_path(), spec.suffix);
        let stored = self.store(&path, &spec.dims, data_type, raw);
        let scale = self.store(&format!("{path}/scale"), &dims, FLOAT, bytes_of(scales));
        let zero = zeros.map(|zeros| self.store(&format!("{path}/zero_point"), &dims, data_type, zeros));
        let float = self.unique(&format!("{output}/{}", spec.suffix));
        let inputs: Vec<&str> = [&stored, &scale].into_iter().chain(&zero).map(String::as_str).collect();
        self.emit("DequantizeLinear", &inputs, &float, &[int("axis", 0)]);
        float
    }
}

fn bytes_of(floats: &[f32]) -> Vec<u8> {
    floats.iter().flat_map(|value| value.to_le_bytes()).collect()
}
