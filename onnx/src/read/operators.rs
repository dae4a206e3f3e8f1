//! Converts ONNX operators to operations, usually one to one.

use nasprof_graph::{NodeId, Op, Shape};

use super::super::schema::NodeProto;
use super::attributes::Attributes;
use super::reader::{Reader, Value};

/// All operators that are read.
pub(super) const SUPPORTED: &[&str] = &[
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "Dropout",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "MatMul",
    "MaxPool",
    "Mul",
    "Pad",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Resize",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Sum",
    "Tanh",
    "Transpose",
];

impl<'a> Reader<'a> {
    pub(super) fn operator(
        &mut self,
        node: &'a NodeProto,
        mut attributes: Attributes<'a>,
    ) -> Result<Value<'a>, String> {
        let value = match node.op_type.as_str() {
            "Constant" => Value::Constant(
                attributes.tensor("value")?.ok_or("only a constant with a tensor as `value` is supported")?,
            ),
            "Identity" if matches!(self.value(node, 0)?, Value::Constant(_)) => self.value(node, 0)?.clone(),
            "Transpose" => self.transposed(node, &mut attributes)?,
            _ => Value::Node(self.computed(node, &mut attributes)?),
        };
        attributes.finish()?;
        Ok(value)
    }

    fn computed(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let op = match node.op_type.as_str() {
            "Conv" => return self.conv(node, attributes),
            "MaxPool" | "AveragePool" => return self.pool(node, attributes),
            "Gemm" => return self.gemm(node, attributes),
            "MatMul" => return self.mat_mul(node),
            "BatchNormalization" => return self.batch_norm(node, attributes),
            "Add" | "Sum" => return self.sum(node),
            "Mul" => return self.product(node),
            "Concat" => {
                let inputs = self.operands(node)?;
                let first = inputs.first().ok_or("it has no inputs")?;
                let axis = attributes.int("axis")?.ok_or("`axis` is missing")?;
                let axis = axis_of(axis, self.shape(*first))?;
                return self.add(Op::Concat { axis }, &inputs);
            }
            "ConstantOfShape" => return self.zeros(node, attributes),
            "ReduceMean" => return self.mean(node, attributes),
            "Relu" => Op::Relu,
            "HardSwish" => Op::Hswish,
            "Sigmoid" => Op::Sigmoid,
            "Tanh" => Op::Tanh,
            "GlobalAveragePool" => Op::GlobalAvgPool,
            "Identity" => Op::Identity,
            "Dropout" => {
                attributes.ignore(&["ratio", "seed"]);
                Op::Identity
            }
            "LeakyRelu" => Op::LeakyRelu { slope: decimal(attributes.float("alpha")?.unwrap_or(0.01)) },
            "HardSigmoid" => {
                let (alpha, beta) =
                    (attributes.float("alpha")?.unwrap_or(0.2), attributes.float("beta")?.unwrap_or(0.5));
                if (alpha - 1.0 / 6.0).abs() > 1e-6 || beta != 0.5 {
                    return Err(format!("`alpha` {alpha} and `beta` {beta} are not supported (only 1/6 and 0.5)"));
                }
                Op::Hsigmoid
            }
            "Clip" => self.clip(node, attributes)?,
            "Softmax" => self.softmax(node, attributes)?,
            "Flatten" | "Reshape" => self.flatten(node, attributes)?,
            "Slice" => self.crop(node)?,
            "Pad" => self.padding(node, attributes)?,
            "Resize" => self.resize(node, attributes)?,
            other => return Err(format!("`{other}` is not known")),
        };
        let x = self.operand(node, 0)?;
        self.add(op, &[x])
    }

    /// A weight, turned.
    fn transposed(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<Value<'a>, String> {
        let Value::Constant(tensor) = self.value(node, 0)? else {
            return Err("only weights can be transposed".to_owned());
        };
        let mut tensor = tensor.clone();
        let order = attributes.ints("perm")?.unwrap_or_else(|| vec![1, 0]);
        if tensor.dims.len() != 2 || order != [1, 0] {
            return Err(format!("`perm` {order:?} of shape {:?} is not supported", tensor.dims));
        }
        tensor.dims.swap(0, 1);
        Ok(Value::Constant(tensor))
    }

    fn gemm(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let factors = [attributes.float("alpha")?, attributes.float("beta")?];
        if factors.iter().flatten().any(|&factor| factor != 1.0) {
            return Err("`alpha` and `beta` other than 1 are not supported".to_owned());
        }
        attributes.expect("transA", 0)?;
        let mut weight = self.weight(node, 1)?;
        if attributes.int("transB")?.unwrap_or(0) == 0 {
            weight.reverse();
        }
        let out_features = self.features(x, &weight)?;
        if self.shape(x).rank() != 2 {
            return Err(format!("its input has the shape {}, not that of a matrix", self.shape(x)));
        }
        let bias = self.bias(node, 2, out_features)?;
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
        let x = self.operand(node, 0)?;
        if let Value::Node(y) = *self.value(node, 1)? {
            return self.add(Op::MatMul, &[x, y]);
        }
        let mut weight = self.weight(node, 1)?;
        weight.reverse();
        let out_features = self.features(x, &weight)?;
        self.share(node, 1);
        self.add(Op::Linear { out_features, bias: false }, &[x])
    }

    fn batch_norm(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        attributes.expect("training_mode", 0)?;
        attributes.ignore(&["momentum"]);
        let epsilon = decimal(attributes.float("epsilon")?.unwrap_or(1e-5));
        let channels = self.shape(x).channels();
        for index in 1..=4 {
            let dims = self.weight(node, index)?;
            if dims != [channels] {
                return Err(format!("its input {index} has the shape {}, not ({channels})", Shape(dims)));
            }
        }
        self.share(node, 1);
        self.add(Op::BatchNorm { epsilon }, &[x])
    }

    /// A sum; or the bias of a product with a weight, which then belongs to the product.
    fn sum(&mut self, node: &'a NodeProto) -> Result<NodeId, String> {
        if node.input.len() != 2 {
            let inputs = self.operands(node)?;
            return self.add(Op::Add, &inputs);
        }
        let (x, bias) = match (self.value(node, 0)?, self.value(node, 1)?) {
            (Value::Node(a), Value::Node(b)) => {
                let inputs = [*a, *b];
                return self.add(Op::Add, &inputs);
            }
            (Value::Node(x), Value::Constant(_)) => (*x, 1),
            (Value::Constant(_), Value::Node(x)) => (*x, 0),
            _ => return Err("both inputs are constants".to_owned()),
        };
        let (Op::Linear { out_features, bias: false }, true) =
            (self.builder.op(x).clone(), self.is_used_once(&node.input[1 - bias]))
        else {
            return Err(format!("its input `{}` is a constant, but not a bias", node.input[bias]));
        };
        self.bias(node, bias, out_features)?;
        self.builder.add_bias(x);
        Ok(x)
    }

    /// A product; the operand that is spread over the other comes second.
    fn product(&mut self, node: &'a NodeProto) -> Result<NodeId, String> {
        let mut inputs = self.operands(node)?;
        if let [a, b] = inputs[..]
            && self.shape(a).elements() < self.shape(b).elements()
        {
            inputs.reverse();
        }
        self.add(Op::Mul, &inputs)
    }

    fn zeros(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        if let Some(value) = attributes.tensor("value")?
            && value.float()? != 0.0
        {
            return Err("constants other than zeros are not supported".to_owned());
        }
        let sizes = self.ints(node, 0)?.ok_or("its shape is missing")?;
        let dims: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
        let shape = Shape(dims.ok_or_else(|| format!("its shape {sizes:?} is invalid"))?);
        self.add(Op::Zeros { shape }, &[])
    }

    /// The mean over height and width.
    fn mean(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        attributes.expect("noop_with_empty_axes", 0)?;
        let axes = match attributes.ints("axes")? {
            Some(axes) => axes,
            None => self.ints(node, 1)?.ok_or("the mean over all axes is not supported")?,
        };
        let keep = attributes.int("keepdims")?.unwrap_or(1) != 0;
        let mut known: Vec<usize> = axes.iter().map(|&a| axis_of(a, self.shape(x))).collect::<Result<_, _>>()?;
        known.sort_unstable();
        if known != [2, 3] || self.shape(x).rank() != 4 {
            return Err(format!("the mean over axes {axes:?} is not supported (only over height and width)"));
        }
        let mean = self.add(Op::GlobalAvgPool, &[x])?;
        if keep { Ok(mean) } else { self.add(Op::Flatten, &[mean]) }
    }

    fn clip(&self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<Op, String> {
        let low = attributes.float("min")?.or(self.float(node, 1)?);
        let high = attributes.float("max")?.or(self.float(node, 2)?);
        match (low, high) {
            (Some(0.0), Some(6.0)) => Ok(Op::Relu6),
            (Some(0.0), None | Some(f32::MAX | f32::INFINITY)) => Ok(Op::Relu),
            _ => Err("bounds other than 0 and 6 are not supported".to_owned()),
        }
    }

    fn softmax(&self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<Op, String> {
        let shape = self.shape(self.operand(node, 0)?);
        let default = if self.version < 13 { 1 } else { -1 };
        let axis = axis_of(attributes.int("axis")?.unwrap_or(default), shape)?;
        // Until version 12 the axes after it were one with it.
        if self.version < 13 && shape.0[axis + 1..].iter().any(|&size| size != 1) {
            return Err(format!("over several axes at once (operators of version {}) is not supported", self.version));
        }
        Ok(Op::Softmax { axis })
    }
}

/// An axis that may be counted from the last.
pub(super) fn axis_of(axis: i64, shape: &Shape) -> Result<usize, String> {
    let rank = shape.rank() as i64;
    let counted = if axis < 0 { axis.saturating_add(rank) } else { axis };
    let known = usize::try_from(counted).ok().filter(|&axis| axis < shape.rank());
    known.ok_or_else(|| format!("axis {axis} is not in shape {shape}"))
}

/// The number that was meant: the shortest decimal of a 32-bit float.
fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}
