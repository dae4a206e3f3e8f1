//! Functions of corresponding elements of one, two or three values.

use nasprof_graph::{Function, NodeId, Op};

use super::super::schema::NodeProto;
use super::attributes::Attributes;
use super::operators::decimal;
use super::reader::{Reader, Value};

/// The value of an absent bound.
const UNBOUNDED: f64 = f32::MAX as f64;

impl<'a> Reader<'a> {
    /// An operator of two operands or more, one of which may be a constant.
    pub(super) fn of_operands(&mut self, node: &'a NodeProto) -> Result<NodeId, String> {
        let function = match node.op_type.as_str() {
            "Add" | "Sum" | "Mean" => Function::BroadcastAdd,
            "Sub" => Function::Sub,
            "Mul" => Function::BroadcastMul,
            "Div" => Function::Div,
            "Pow" => Function::Pow,
            "Max" => Function::Max,
            "Min" => Function::Min,
            "PRelu" => Function::Prelu,
            "Equal" => Function::Equal,
            "Less" => Function::Less,
            "LessOrEqual" => Function::LessOrEqual,
            "Greater" => Function::Greater,
            "GreaterOrEqual" => Function::GreaterOrEqual,
            "And" => Function::And,
            "Or" => Function::Or,
            "Where" => Function::Where,
            other => return Err(format!("`{other}` is not known")),
        };
        let result = match (function, node.input.len()) {
            (Function::Where, 3) => {
                let rank = self.rank_of_inputs(node)?;
                let operands = (0..3).map(|i| self.operand_of_rank(node, i, rank)).collect::<Result<Vec<_>, _>>()?;
                self.add(Op::elementwise(function), &operands)?
            }
            (Function::BroadcastAdd | Function::Max | Function::Min, 1) => {
                let x = self.operand(node, 0)?;
                self.add(Op::Identity, &[x])?
            }
            (Function::BroadcastAdd, 2) => self.sum(node)?,
            (_, 2) => self.of_two(node, function)?,
            (Function::BroadcastAdd | Function::Max | Function::Min, 3..) => self.of_many(node, function)?,
            (_, count) => return Err(format!("it has {count} inputs")),
        };
        if node.op_type == "Mean" {
            let parameters = vec![node.input.len() as f64];
            return self.add(Op::Elementwise { function: Function::Div, parameters }, &[result]);
        }
        Ok(result)
    }

    /// The largest number of dimensions among the inputs.
    fn rank_of_inputs(&self, node: &'a NodeProto) -> Result<usize, String> {
        let rank = |index: usize| {
            Ok(match self.value(node, index)? {
                Value::Node(id) => self.shape(*id).rank(),
                Value::Constant(tensor) => tensor.dims.len(),
            })
        };
        (0..node.input.len()).try_fold(0, |most, index| rank(index).map(|rank: usize| rank.max(most)))
    }

    /// A sum of operands of equal shape is one operation, whatever their number.
    fn of_many(&mut self, node: &'a NodeProto, function: Function) -> Result<NodeId, String> {
        let operands = self.operands(node)?;
        if function == Function::BroadcastAdd && operands.iter().all(|&x| self.shape(x) == self.shape(operands[0])) {
            return self.add(Op::Add, &operands);
        }
        let mut result = operands[0];
        for &other in &operands[1..] {
            result = self.add(Op::elementwise(function), &[result, other])?;
        }
        Ok(result)
    }

    /// A sum, or the bias of a layer with weights, which becomes part of that layer.
    fn sum(&mut self, node: &'a NodeProto) -> Result<NodeId, String> {
        for (data, other) in [(0, 1), (1, 0)] {
            let (Value::Node(x), Value::Constant(tensor)) = (self.value(node, data)?, self.value(node, other)?) else {
                continue;
            };
            let x = *x;
            let channels = match self.builder.op(x) {
                Op::Linear { out_features, bias: false } => Some((*out_features, 1)),
                Op::Conv { out_channels, bias: false, activation: None, .. }
                | Op::ConvNd { out_channels, bias: false, .. } => Some((*out_channels, self.shape(x).rank() - 1)),
                _ => None,
            };
            if let Some((channels, from_the_end)) = channels
                && self.is_used_once(&node.input[data])
                && is_bias(&tensor.dims, channels, from_the_end, self.shape(x).rank())
                && tensor.problem_as_floats().is_none()
            {
                self.builder.add_bias(x);
                return Ok(x);
            }
        }
        self.of_two(node, Function::BroadcastAdd)
    }

    /// A constant input added to a value.
    pub(super) fn added(&mut self, x: NodeId, node: &'a NodeProto, index: usize) -> Result<NodeId, String> {
        let rank = self.shape(x).rank();
        let other = self.operand_of_rank(node, index, rank)?;
        self.add(Op::elementwise(Function::BroadcastAdd), &[x, other])
    }

    fn of_two(&mut self, node: &'a NodeProto, function: Function) -> Result<NodeId, String> {
        let commutes =
            matches!(function, Function::BroadcastAdd | Function::BroadcastMul | Function::Max | Function::Min);
        let (first, second) = match (self.value(node, 0)?, self.value(node, 1)?) {
            (Value::Constant(_), Value::Node(_)) if commutes => (1, 0),
            _ => (0, 1),
        };
        // A number becomes a parameter of the operation; an unknown one costs the same as any other.
        if let (Value::Node(x), Value::Constant(tensor)) = (self.value(node, first)?, self.value(node, second)?)
            && tensor.elements() == Some(1)
            && tensor.dims.len() <= self.shape(*x).rank()
            && !matches!(function, Function::Prelu | Function::And | Function::Or)
        {
            let x = *x;
            let number = tensor.number().filter(|number| number.is_finite()).unwrap_or(1.0);
            let parameters = vec![decimal(number as f32)];
            return self.add(Op::Elementwise { function, parameters }, &[x]);
        }
        let rank = self.rank_of_inputs(node)?;
        let mut inputs = [self.operand_of_rank(node, first, rank)?, self.operand_of_rank(node, second, rank)?];
        let [a, b] = inputs;
        if function == Function::BroadcastAdd && self.shape(a) == self.shape(b) {
            return self.add(Op::Add, &inputs);
        }
        if function == Function::BroadcastMul {
            // The operand that is broadcast to the other comes second.
            if self.shape(a).elements() < self.shape(b).elements() {
                inputs.reverse();
            }
            if self.gates(inputs) {
                return self.add(Op::Mul, &inputs);
            }
        }
        self.add(Op::elementwise(function), &inputs)
    }

    /// Whether the second has the shape of the first, but for spatial sizes of 1.
    fn gates(&self, [x, gate]: [NodeId; 2]) -> bool {
        let (x, gate) = (&self.shape(x).0, &self.shape(gate).0);
        let fits = |(axis, (a, b)): (usize, (&usize, &usize))| a == b || (axis >= 2 && *b == 1);
        x.len() == gate.len() && x.iter().zip(gate).enumerate().all(fits)
    }

    pub(super) fn clip(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let computed =
            |index: usize| Self::name(node, index).is_some() && matches!(self.value(node, index), Ok(Value::Node(_)));
        if computed(1) || computed(2) {
            let mut x = self.operand(node, 0)?;
            for (index, function) in [(1, Function::Max), (2, Function::Min)] {
                if Self::name(node, index).is_some() {
                    let bound = self.operand(node, index)?;
                    x = self.add(Op::elementwise(function), &[x, bound])?;
                }
            }
            return Ok(x);
        }
        let bound = |index: usize, of_attribute: Option<f32>| match of_attribute {
            Some(bound) => Ok(Some(f64::from(bound))),
            None => Ok::<_, String>(self.constant(node, index)?.and_then(|tensor| tensor.number())),
        };
        let low = bound(1, attributes.float("min")?)?.filter(|low| *low > -UNBOUNDED);
        let high = bound(2, attributes.float("max")?)?.filter(|high| *high < UNBOUNDED);
        let op = match (low, high) {
            (Some(0.0), Some(6.0)) => Op::Relu6,
            (Some(0.0), None) => Op::Relu,
            (low, high) => Op::Elementwise {
                function: Function::Clamp,
                parameters: vec![low.unwrap_or(-UNBOUNDED), high.unwrap_or(UNBOUNDED)],
            },
        };
        let x = self.operand(node, 0)?;
        self.add(op, &[x])
    }

    /// One operation for the usual numbers; three for others, as in libtorch.
    pub(super) fn hard_sigmoid(
        &mut self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
    ) -> Result<NodeId, String> {
        let (alpha, beta) = (attributes.float("alpha")?.unwrap_or(0.2), attributes.float("beta")?.unwrap_or(0.5));
        let x = self.operand(node, 0)?;
        if (alpha - 1.0 / 6.0).abs() <= 1e-6 && beta == 0.5 {
            return self.add(Op::Hsigmoid, &[x]);
        }
        let with = |function, parameters| Op::Elementwise { function, parameters };
        let x = self.add(with(Function::BroadcastMul, vec![decimal(alpha)]), &[x])?;
        let x = self.add(with(Function::BroadcastAdd, vec![decimal(beta)]), &[x])?;
        self.add(with(Function::Clamp, vec![0.0, 1.0]), &[x])
    }
}

/// Whether a constant has one value for each channel, on the axis `from_the_end` places from the end.
fn is_bias(dims: &[i64], channels: usize, from_the_end: usize, rank: usize) -> bool {
    let sized: Vec<usize> = (0..dims.len()).filter(|&axis| dims[axis] != 1).collect();
    match sized[..] {
        [axis] => dims.len() - axis == from_the_end && dims[axis] == channels as i64 && dims.len() <= rank,
        _ => false,
    }
}
