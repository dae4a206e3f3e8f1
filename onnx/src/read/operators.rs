//! Converts ONNX operators to operations, usually one to one.

use nasprof_graph::{Function, NodeId, Op, Shape};

use super::super::schema::{BOOL, FLOAT, NodeProto};
use super::attributes::Attributes;
use super::axes::axis_in;
use super::reader::{Reader, Value};

/// All supported operators.
pub(super) const SUPPORTED: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "CastLike",
    "Ceil",
    "Celu",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "Cos",
    "DepthToSpace",
    "Div",
    "Dropout",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Floor",
    "GRU",
    "Gather",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "If",
    "InstanceNormalization",
    "LSTM",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "RNN",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "Selu",
    "Shape",
    "Sigmoid",
    "Sign",
    "Sin",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Swish",
    "Tanh",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Upsample",
    "Where",
];

impl<'a> Reader<'a> {
    /// The values of a node's outputs.
    pub(super) fn operator(
        &mut self,
        node: &'a NodeProto,
        mut attributes: Attributes<'a>,
    ) -> Result<Vec<Value<'a>>, String> {
        let values = match self.folded(node, &mut attributes)? {
            Some(values) => values.into_iter().map(|value| self.within_budget(value)).collect(),
            None => self.computed(node, &mut attributes)?.into_iter().map(Value::Node).collect(),
        };
        attributes.finish()?;
        Ok(values)
    }

    /// The value; a constant beyond the budget keeps only its shape.
    fn within_budget(&mut self, value: Value<'a>) -> Value<'a> {
        let Value::Constant(tensor) = value else { return value };
        let count = tensor.computed_values();
        let fits = count <= self.values_left;
        self.values_left = self.values_left.saturating_sub(count);
        Value::Constant(if fits { tensor } else { tensor.without_values() })
    }

    fn computed(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<Vec<NodeId>, String> {
        let one = match node.op_type.as_str() {
            "Split" => return self.split(node, attributes),
            "LSTM" | "GRU" | "RNN" => return self.recurrent(node, attributes),
            "Conv" => self.conv(node, attributes)?,
            "ConvTranspose" => self.conv_transpose(node, attributes)?,
            "MaxPool" | "AveragePool" => self.pool(node, attributes)?,
            "Gemm" => self.gemm(node, attributes)?,
            "MatMul" => self.mat_mul(node)?,
            "BatchNormalization" => self.batch_norm(node, attributes)?,
            "InstanceNormalization" | "GroupNormalization" => self.group_norm(node, attributes)?,
            "LayerNormalization" => self.layer_norm(node, attributes)?,
            "Add" | "Sum" | "Sub" | "Mul" | "Div" | "Pow" | "Max" | "Min" | "Mean" | "PRelu" | "Equal" | "Less"
            | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "And" | "Or" | "Where" => self.of_operands(node)?,
            "Concat" => self.concat(node, attributes)?,
            "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => self.reshape(node, attributes)?,
            "Transpose" => self.transpose(node, attributes)?,
            "DepthToSpace" | "SpaceToDepth" => self.depth_and_space(node, attributes)?,
            "Slice" => self.slice(node, attributes)?,
            "Gather" => self.gather(node, attributes)?,
            "Expand" => self.expand(node)?,
            "Tile" => self.tile(node)?,
            "Pad" => self.padding(node, attributes)?,
            "Resize" | "Upsample" => self.resize(node, attributes)?,
            "GlobalAveragePool" | "GlobalMaxPool" => self.global_pool(node)?,
            "Softmax" | "LogSoftmax" => self.softmax(node, attributes)?,
            name if name.starts_with("Reduce") => self.reduce(node, attributes)?,
            "Cast" | "CastLike" => self.cast(node, attributes)?,
            "Clip" => self.clip(node, attributes)?,
            "HardSigmoid" => self.hard_sigmoid(node, attributes)?,
            _ => {
                let op = of_one(node, attributes)?;
                let x = self.operand(node, 0)?;
                self.add(op, &[x])?
            }
        };
        Ok(vec![one])
    }

    fn gemm(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let mut x = self.operand(node, 0)?;
        // Factors on the summands cost nothing.
        attributes.ignore(&["alpha", "beta"]);
        if self.shape(x).rank() != 2 {
            return Err(format!("its input has the shape {}, not that of a matrix", self.shape(x)));
        }
        if attributes.int("transA")?.unwrap_or(0) != 0 {
            x = self.transposed(x, &[1, 0])?;
        }
        let transposed = attributes.int("transB")?.unwrap_or(0) != 0;
        if let Value::Node(y) = *self.value(node, 1)? {
            let y = if transposed { self.transposed(y, &[1, 0])? } else { y };
            let product = self.add(Op::MatMul, &[x, y])?;
            return if Self::name(node, 2).is_some() { self.added(product, node, 2) } else { Ok(product) };
        }
        let mut weight = self.weight(node, 1)?;
        if !transposed {
            weight.reverse();
        }
        let out_features = self.features(x, &weight)?;
        let bias = match Self::name(node, 2).map(|_| self.value(node, 2)).transpose()? {
            None => Ok(false),
            // A bias of one row or one number is broadcast.
            Some(Value::Constant(bias)) => match &self.weight(node, 2)?[..] {
                [] | [1] | [1, 1] => Ok(true),
                [size] | [1, size] if *size == out_features => Ok(true),
                _ => Err(format!("its bias has the shape {:?}", bias.dims)),
            },
            Some(Value::Node(_)) => Err("its bias is computed, only a constant is supported".to_owned()),
        }?;
        self.share(node, 1);
        self.add(Op::Linear { out_features, bias }, &[x])
    }

    /// The outputs of a weight `(out, in)`, which must fit the last dimension of the input.
    fn features(&self, x: NodeId, weight: &[usize]) -> Result<usize, String> {
        match (weight, self.shape(x).0.last()) {
            ([outputs, inputs], Some(last)) if inputs == last => Ok(*outputs),
            _ => Err(format!("its weight {} does not fit the input {}", Shape(weight.to_vec()), self.shape(x))),
        }
    }

    fn mat_mul(&mut self, node: &'a NodeProto) -> Result<NodeId, String> {
        if let (Value::Node(x), Value::Constant(weight)) = (self.value(node, 0)?, self.value(node, 1)?)
            && weight.dims.len() == 2
            && self.shape(*x).rank() >= 2
        {
            let x = *x;
            let mut weight = self.weight(node, 1)?;
            weight.reverse();
            let out_features = self.features(x, &weight)?;
            self.share(node, 1);
            return self.add(Op::Linear { out_features, bias: false }, &[x]);
        }
        let (x, y) = (self.operand(node, 0)?, self.operand(node, 1)?);
        self.add(Op::MatMul, &[x, y])
    }

    fn concat(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let axis = attributes.int("axis")?.ok_or("`axis` is missing")?;
        let mut inputs = Vec::with_capacity(node.input.len());
        for index in 0..node.input.len() {
            // A constant without elements adds nothing.
            if matches!(self.value(node, index)?, Value::Constant(tensor) if tensor.elements() == Some(0)) {
                continue;
            }
            inputs.push(self.operand(node, index)?);
        }
        let first = inputs.first().ok_or("it has no inputs")?;
        let axis = axis_in(axis, self.shape(*first).rank())?;
        self.add(Op::Concat { axis }, &inputs)
    }

    fn softmax(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let shape = self.shape(x).clone();
        let default = if self.version < 13 { 1 } else { -1 };
        let axis = axis_in(attributes.int("axis")?.unwrap_or(default), shape.rank())?;
        // Until version 12 the softmax covers all axes from this one on.
        let is_last = axis + 1 == shape.rank() || shape.0[axis + 1..].iter().all(|&size| size == 1);
        let y = if self.version < 13 && !is_last {
            let (rows, columns) = shape.0.split_at(axis);
            let flat = [rows.iter().product(), columns.iter().product()];
            let flat = self.reshaped(x, &flat)?;
            let y = self.add(Op::Softmax { axis: 1 }, &[flat])?;
            self.reshaped(y, &shape.0)?
        } else {
            self.add(Op::Softmax { axis }, &[x])?
        };
        if node.op_type == "LogSoftmax" { self.add(Op::elementwise(Function::Log), &[y]) } else { Ok(y) }
    }

    /// Truth values become numbers; numbers stay what they are.
    fn cast(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        attributes.ignore(&["saturate", "round_mode"]);
        let mut to = i64::from(FLOAT);
        if node.op_type == "Cast" {
            to = attributes.int("to")?.ok_or("`to` is missing")?;
            // Conditions become truth values where they are used.
            if to != i64::from(FLOAT) && to != i64::from(BOOL) {
                let name = i32::try_from(to).map_or_else(|_| to.to_string(), super::message::type_name);
                return Err(format!("a cast of data to {name} is not supported (only to float)"));
            }
        }
        let x = self.operand(node, 0)?;
        let to_float = node.op_type == "CastLike" || to == i64::from(FLOAT);
        let op = if to_float && self.builder.op(x).gives_truth() {
            Op::elementwise(Function::ToFloat)
        } else {
            Op::Identity
        };
        self.add(op, &[x])
    }
}

/// Operators with a single input.
fn of_one(node: &NodeProto, attributes: &mut Attributes<'_>) -> Result<Op, String> {
    Ok(match node.op_type.as_str() {
        "Relu" => Op::Relu,
        "HardSwish" => Op::Hswish,
        "Sigmoid" => Op::Sigmoid,
        "Tanh" => Op::Tanh,
        "Identity" => Op::Identity,
        "Dropout" => {
            attributes.ignore(&["ratio", "seed", "is_test"]);
            Op::Identity
        }
        "LeakyRelu" => Op::LeakyRelu { slope: decimal(attributes.float("alpha")?.unwrap_or(0.01)) },
        name => {
            // Their parameters do not change their cost.
            attributes.ignore(&["alpha", "gamma", "approximate"]);
            let function = match name {
                "Abs" => Function::Abs,
                "Neg" => Function::Neg,
                "Exp" => Function::Exp,
                "Log" => Function::Log,
                "Sqrt" => Function::Sqrt,
                "Reciprocal" => Function::Reciprocal,
                "Erf" => Function::Erf,
                "Gelu" => Function::Gelu,
                "Swish" => Function::Silu,
                "Mish" => Function::Mish,
                "Softplus" => Function::Softplus,
                "Softsign" => Function::Softsign,
                "Elu" | "Celu" => Function::Elu,
                "Selu" => Function::Selu,
                "Sin" => Function::Sin,
                "Cos" => Function::Cos,
                "Floor" => Function::Floor,
                "Ceil" => Function::Ceil,
                "Round" => Function::Round,
                "Sign" => Function::Sign,
                "Not" => Function::Not,
                other => return Err(format!("`{other}` of computed values is not supported")),
            };
            Op::elementwise(function)
        }
    })
}

/// The shortest decimal number of a 32-bit float: 0.1 and not 0.10000000149.
pub(super) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
