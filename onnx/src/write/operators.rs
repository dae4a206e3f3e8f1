//! Operations as ONNX operators, given the names of their operands and parameters.

use nasprof_graph::{Activation, Node, Op, ResizeMode};

use super::super::error::OnnxError;
use super::super::schema::AttributeProto;
use super::values::{constant, float, int, ints, numbers, string};
use super::{BEFORE_ACTIVATION, Floats, Writer};

impl Writer<'_> {
    /// Emits an operation.
    pub(super) fn operator(&mut self, node: &Node, inputs: &[&str], output: &str) -> Result<(), OnnxError> {
        if self.general(node, inputs, output)? {
            return Ok(());
        }
        match node.op.plain() {
            Op::Conv { kernel, stride, pad, dilation, groups, activation, .. } => {
                let mut attributes = window(*kernel, *stride, *pad).to_vec();
                attributes.extend([ints("dilations", dilation), int("group", *groups as i64)]);
                let Some(activation) = activation else {
                    self.emit("Conv", inputs, output, &attributes);
                    return Ok(());
                };
                let before = self.unique(&format!("{output}{BEFORE_ACTIVATION}"));
                self.emit("Conv", inputs, &before, &attributes);
                match activation {
                    Activation::Relu => self.emit("Relu", &[&before], output, &[]),
                    Activation::Relu6 => self.relu6(&before, output),
                }
            }
            Op::Linear { .. } => self.linear(node, inputs, output),
            Op::BatchNorm { epsilon } => {
                self.emit("BatchNormalization", inputs, output, &[float("epsilon", *epsilon)]);
            }
            Op::Relu => self.emit("Relu", inputs, output, &[]),
            Op::Relu6 => self.relu6(inputs[0], output),
            Op::LeakyRelu { slope } => self.emit("LeakyRelu", inputs, output, &[float("alpha", *slope)]),
            Op::Hsigmoid => {
                self.emit("HardSigmoid", inputs, output, &[float("alpha", 1.0 / 6.0), float("beta", 0.5)]);
            }
            Op::Hswish => self.emit("HardSwish", inputs, output, &[]),
            Op::Sigmoid => self.emit("Sigmoid", inputs, output, &[]),
            Op::Tanh => self.emit("Tanh", inputs, output, &[]),
            Op::Softmax { axis } => self.emit("Softmax", inputs, output, &[int("axis", *axis as i64)]),
            Op::MaxPool { kernel, stride, pad } => {
                self.emit("MaxPool", inputs, output, &window(*kernel, *stride, *pad));
            }
            Op::AvgPool { kernel, stride, pad, count_padding } => {
                let mut attributes = window(*kernel, *stride, *pad).to_vec();
                attributes.push(int("count_include_pad", i64::from(*count_padding)));
                self.emit("AveragePool", inputs, output, &attributes);
            }
            Op::GlobalAvgPool => self.emit("GlobalAveragePool", inputs, output, &[]),
            Op::Add => {
                let op_type = ["Identity", "Add"].get(inputs.len() - 1).unwrap_or(&"Sum");
                self.emit(op_type, inputs, output, &[]);
            }
            Op::Mul => self.product(inputs, output),
            Op::Concat { axis } => self.emit("Concat", inputs, output, &[int("axis", *axis as i64)]),
            Op::Flatten => self.emit("Flatten", inputs, output, &[int("axis", 1)]),
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
            Op::MatMul => self.emit("MatMul", inputs, output, &[]),
            // At inference these return their input.
            Op::Identity | Op::Dropout { .. } | Op::DropPath { .. } => self.emit("Identity", inputs, output, &[]),
            Op::Zero { .. } | Op::Zeros { .. } => {
                let shape = self.constant(&format!("{output}/shape"), &numbers(&node.shape.0));
                // Without a value the operator gives a 32-bit zero.
                let zero = self.float_tensor("", &[1], 0_f32.to_le_bytes().to_vec());
                let value = (self.floats != Floats::Single).then(|| constant("value", zero));
                self.emit("ConstantOfShape", &[&shape], output, value.as_slice());
            }
            _ => {
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

    /// `Gemm` on matrices; on more dimensions a product with the transposed weights, then a sum.
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
            ResizeMode::Bicubic => vec![
                string("mode", "cubic"),
                string("coordinate_transformation_mode", "half_pixel"),
                float("cubic_coeff_a", -0.75),
            ],
        };
        self.emit("Resize", &[input, "", "", &shape], output, &attributes);
    }
}

fn window(kernel: [usize; 2], stride: [usize; 2], pad: [usize; 2]) -> [AttributeProto; 3] {
    let pads = [pad[0], pad[1], pad[0], pad[1]];
    [ints("kernel_shape", &kernel), ints("strides", &stride), ints("pads", &pads)]
}
