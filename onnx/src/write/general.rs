//! The operations on any number of dimensions as ONNX nodes.

use nasprof_graph::{Cell, Function, Node, Op, Reduction};

use super::super::error::OnnxError;
use super::super::schema::BOOL;
use super::Writer;
use super::values::{float, int, ints, numbers, string};

impl Writer<'_> {
    /// Emits an operation; `false` if it is not a general one.
    pub(super) fn general(&mut self, node: &Node, inputs: &[&str], output: &str) -> Result<bool, OnnxError> {
        match node.op.plain() {
            Op::Elementwise { function, parameters } => self.elementwise(*function, parameters, inputs, output),
            Op::Reduce { kind, axes, keep } => self.reduce(*kind, axes, *keep, inputs[0], output),
            Op::Transpose { order } => self.emit("Transpose", inputs, output, &[ints("perm", order)]),
            Op::Reshape { .. } => {
                let shape = self.constant(&format!("{output}/shape"), &numbers(&node.shape.0));
                self.emit("Reshape", &[inputs[0], &shape], output, &[]);
            }
            Op::Slice { axis, start, end, step } => {
                let mut bound = |name: &str, value: usize| self.constant(&format!("{output}/{name}"), &[value as i64]);
                let bounds =
                    [bound("starts", *start), bound("ends", *end), bound("axes", *axis), bound("steps", *step)];
                let all: Vec<&str> = std::iter::once(inputs[0]).chain(bounds.iter().map(String::as_str)).collect();
                self.emit("Slice", &all, output, &[]);
            }
            Op::Gather { axis, count } => {
                let size = self.graph.input_shapes(node)[0].0.get(*axis).copied().unwrap_or(1).max(1);
                let indices: Vec<i64> = (0..*count).map(|i| (i % size) as i64).collect();
                let indices = self.constant(&format!("{output}/indices"), &indices);
                self.emit("Gather", &[inputs[0], &indices], output, &[int("axis", *axis as i64)]);
            }
            Op::Expand { shape } => {
                let shape = self.constant(&format!("{output}/shape"), &numbers(&shape.0));
                self.emit("Expand", &[inputs[0], &shape], output, &[]);
            }
            Op::ConvNd { kernel, stride, pad, dilation, output_pad, groups, transposed, .. } => {
                let mut attributes = vec![
                    ints("kernel_shape", kernel),
                    ints("strides", stride),
                    ints("pads", &[&pad[..], &pad[..]].concat()),
                    ints("dilations", dilation),
                    int("group", *groups as i64),
                ];
                if *transposed {
                    attributes.push(ints("output_padding", output_pad));
                }
                self.emit(if *transposed { "ConvTranspose" } else { "Conv" }, inputs, output, &attributes);
            }
            Op::PoolNd { kind, kernel, stride, pad, dilation, ceil, count_padding } => {
                let mut attributes = vec![
                    ints("kernel_shape", kernel),
                    ints("strides", stride),
                    ints("pads", &[&pad[..], &pad[..]].concat()),
                    int("ceil_mode", i64::from(*ceil)),
                ];
                let is_max = *kind == Reduction::Max;
                attributes.push(match is_max {
                    true => ints("dilations", dilation),
                    false => int("count_include_pad", i64::from(*count_padding)),
                });
                self.emit(if is_max { "MaxPool" } else { "AveragePool" }, inputs, output, &attributes);
            }
            Op::PadNd { pads, mode } => {
                let sides = [0, 1].map(|side| pads.iter().map(|pad| pad[side] as i64).collect::<Vec<_>>());
                let pads = self.constant(&format!("{output}/pads"), &sides.concat());
                self.emit("Pad", &[inputs[0], &pads], output, &[string("mode", mode.name())]);
            }
            Op::LayerNorm { axis, epsilon, .. } => {
                let attributes = [int("axis", *axis as i64), float("epsilon", *epsilon)];
                self.emit("LayerNormalization", inputs, output, &attributes);
            }
            Op::GroupNorm { groups, epsilon } if *groups == node.shape.channels() => {
                self.emit("InstanceNormalization", inputs, output, &[float("epsilon", *epsilon)]);
            }
            Op::Recurrent { cell, hidden, bidirectional } => {
                self.recurrent(node, *cell, *hidden, *bidirectional, inputs, output);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn step(&mut self, op_type: &str, inputs: &[&str], output: &str, name: &str) -> String {
        let value = self.unique(&format!("{output}/{name}"));
        self.emit(op_type, inputs, &value, &[]);
        value
    }

    fn elementwise(&mut self, function: Function, parameters: &[f64], inputs: &[&str], output: &str) {
        let numbers: Vec<String> =
            parameters.iter().map(|&number| self.scalar(&format!("{output}/number"), number as f32)).collect();
        let mut all: Vec<&str> = inputs.iter().copied().chain(numbers.iter().map(String::as_str)).collect();
        let op_type = match function {
            // Operator set 17 does not have these functions.
            Function::Gelu => {
                let factor = self.scalar(&format!("{output}/factor"), std::f32::consts::FRAC_1_SQRT_2);
                let (one, half) =
                    (self.scalar(&format!("{output}/one"), 1.0), self.scalar(&format!("{output}/half"), 0.5));
                let scaled = self.step("Mul", &[inputs[0], &factor], output, "scaled");
                let erf = self.step("Erf", &[&scaled], output, "erf");
                let bell = self.step("Add", &[&erf, &one], output, "bell");
                let product = self.step("Mul", &[inputs[0], &bell], output, "product");
                return self.emit("Mul", &[&product, &half], output, &[]);
            }
            Function::Silu => {
                let gate = self.step("Sigmoid", inputs, output, "gate");
                return self.emit("Mul", &[inputs[0], &gate], output, &[]);
            }
            Function::Mish => {
                let inner = self.step("Softplus", inputs, output, "softplus");
                let gate = self.step("Tanh", &[&inner], output, "gate");
                return self.emit("Mul", &[inputs[0], &gate], output, &[]);
            }
            Function::ToFloat => {
                return self.emit("Cast", inputs, output, &[int("to", i64::from(self.float_type()))]);
            }
            Function::Where => {
                let condition = self.unique(&format!("{output}/condition"));
                self.emit("Cast", &all[..1], &condition, &[int("to", i64::from(BOOL))]);
                all[0] = &condition;
                return self.emit("Where", &all, output, &[]);
            }
            Function::Abs => "Abs",
            Function::Neg => "Neg",
            Function::Exp => "Exp",
            Function::Log => "Log",
            Function::Sqrt => "Sqrt",
            Function::Reciprocal => "Reciprocal",
            Function::Erf => "Erf",
            Function::Softplus => "Softplus",
            Function::Softsign => "Softsign",
            Function::Elu => "Elu",
            Function::Selu => "Selu",
            Function::Sin => "Sin",
            Function::Cos => "Cos",
            Function::Floor => "Floor",
            Function::Ceil => "Ceil",
            Function::Round => "Round",
            Function::Sign => "Sign",
            Function::Not => "Not",
            Function::Clamp => "Clip",
            Function::BroadcastAdd => "Add",
            Function::Sub => "Sub",
            Function::BroadcastMul => "Mul",
            Function::Div => "Div",
            Function::Pow => "Pow",
            Function::Max => "Max",
            Function::Min => "Min",
            Function::Prelu => "PRelu",
            Function::Equal => "Equal",
            Function::Less => "Less",
            Function::LessOrEqual => "LessOrEqual",
            Function::Greater => "Greater",
            Function::GreaterOrEqual => "GreaterOrEqual",
            Function::And => "And",
            Function::Or => "Or",
        };
        self.emit(op_type, &all, output, &[]);
    }

    fn reduce(&mut self, kind: Reduction, axes: &[usize], keep: bool, input: &str, output: &str) {
        let keep = int("keepdims", i64::from(keep));
        if kind == Reduction::Sum {
            let axes = self.constant(&format!("{output}/axes"), &numbers(axes));
            return self.emit("ReduceSum", &[input, &axes], output, &[keep]);
        }
        let op_type = match kind {
            Reduction::Mean | Reduction::Sum => "ReduceMean",
            Reduction::Max => "ReduceMax",
            Reduction::Min => "ReduceMin",
            Reduction::Prod => "ReduceProd",
            Reduction::L2 => "ReduceL2",
            Reduction::LogSumExp => "ReduceLogSumExp",
        };
        self.emit(op_type, &[input], output, &[ints("axes", axes), keep]);
    }

    /// ONNX stores the weights of both directions in one tensor, and its output has the direction before the batch.
    fn recurrent(
        &mut self,
        node: &Node,
        cell: Cell,
        hidden: usize,
        bidirectional: bool,
        inputs: &[&str],
        output: &str,
    ) {
        let (operands, weights) = inputs.split_at(node.inputs.len());
        let axis = self.constant(&format!("{output}/direction"), &[0]);
        let stacked = |writer: &mut Self, name: &str, parts: &[Vec<&str>]| {
            let mut directions = Vec::new();
            for part in parts {
                let joined = match part[..] {
                    [only] => only.to_owned(),
                    _ => {
                        let joined = writer.unique(&format!("{output}/{name}_joined"));
                        writer.emit("Concat", part, &joined, &[int("axis", 0)]);
                        joined
                    }
                };
                directions.push(writer.step("Unsqueeze", &[&joined, &axis], output, name));
            }
            let all: Vec<&str> = directions.iter().map(String::as_str).collect();
            let both = writer.unique(&format!("{output}/{name}_all"));
            writer.emit("Concat", &all, &both, &[int("axis", 0)]);
            both
        };
        let by_direction: Vec<&[&str]> = weights.chunks(4).collect();
        let of = |parts: &[usize]| -> Vec<Vec<&str>> {
            by_direction.iter().map(|all| parts.iter().filter_map(|&i| all.get(i).copied()).collect()).collect()
        };
        let matrix = stacked(self, "weight_ih", &of(&[0]));
        let state = stacked(self, "weight_hh", &of(&[1]));
        let bias = stacked(self, "bias", &of(&[2, 3]));
        let mut all = vec![operands[0], &matrix, &state, &bias, ""];
        all.extend(&operands[1..]);
        if operands.len() == 1 {
            all.pop();
        }
        let mut attributes = vec![int("hidden_size", hidden as i64)];
        if bidirectional {
            attributes.push(string("direction", "bidirectional"));
        }
        let op_type = match cell {
            Cell::Lstm => "LSTM",
            Cell::Gru => {
                attributes.push(int("linear_before_reset", 1));
                "GRU"
            }
            Cell::Rnn => "RNN",
        };
        let steps = self.unique(&format!("{output}/steps"));
        self.emit(op_type, &all, &steps, &attributes);
        let order = self.unique(&format!("{output}/by_batch"));
        self.emit("Transpose", &[&steps], &order, &[ints("perm", &[0, 2, 1, 3])]);
        let shape = self.constant(&format!("{output}/shape"), &numbers(&node.shape.0));
        self.emit("Reshape", &[&order, &shape], output, &[]);
    }
}
