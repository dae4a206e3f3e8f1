//! Operators whose inputs are all constants: shapes that a model computes, and weights that it prepares.

use super::super::schema::{BOOL, FLOAT, INT32, INT64, NodeProto};
use super::array::{Array, index_in};
use super::attributes::Attributes;
use super::axes::{Part, axis_in, parts_of_slice, reshaped, squeezed, unsqueezed};
use super::message::{MAX_COMPUTED, Tensor};
use super::reader::{Reader, Value};

/// A function of corresponding numbers.
type Scalar = fn(&[f64]) -> f64;

impl<'a> Reader<'a> {
    /// The values, if the operator can be folded and all its inputs are constants.
    pub(super) fn folded(
        &mut self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
    ) -> Result<Option<Vec<Value<'a>>>, String> {
        match node.op_type.as_str() {
            "Constant" => return constant(attributes).map(|tensor| Some(vec![Value::Constant(tensor)])),
            "Shape" | "Size" => return self.shape_values(node, attributes).map(Some),
            _ => {}
        }
        let mut inputs = Vec::with_capacity(node.input.len());
        for index in 0..node.input.len() {
            if Self::name(node, index).is_none() {
                inputs.push(None);
                continue;
            }
            match self.value(node, index)? {
                Value::Constant(tensor) => inputs.push(Some(tensor.clone())),
                Value::Node(_) => return Ok(None),
            }
        }
        let Some(Some(first)) = inputs.first() else { return Ok(None) };
        if node.op_type == "ConstantOfShape" {
            return of_shape(first, attributes);
        }
        let mut parts = inputs.iter().flatten().map(Array::of).collect::<Result<Vec<_>, _>>()?;
        let values: usize = parts.iter().filter_map(|part| part.values.as_ref()).map(Vec::len).sum();
        self.values_left = self.values_left.saturating_sub(values);
        if self.values_left == 0 {
            parts.iter_mut().for_each(|part| part.values = None);
        }
        let one = |array: Array| Ok(Some(vec![Value::Constant(array.into_tensor())]));
        if let Some((function, kind)) = scalar(&node.op_type) {
            if node.op_type == "Mod" {
                attributes.ignore(&["fmod"]);
            }
            let integers = matches!(parts[0].data_type, INT32 | INT64);
            let data_type = match kind {
                Kind::Truth => BOOL,
                // The result has the type of the alternatives, not of the condition.
                Kind::Select => parts.get(1).ok_or("inputs are missing")?.data_type,
                Kind::Same => parts[0].data_type,
            };
            let divides_by_zero = matches!(node.op_type.as_str(), "Div" | "Mod")
                && integers
                && parts.get(1).and_then(|part| part.values.as_ref()).is_none_or(|values| values.contains(&0.0));
            if divides_by_zero {
                return Err("it divides integers by zero".to_owned());
            }
            let arity = parts.len();
            if arity != wanted(&node.op_type, arity) {
                return Err(format!("it has {arity} inputs"));
            }
            return one(Array::map(&parts.iter().collect::<Vec<_>>(), data_type, function)?);
        }
        self.folded_shape(node, attributes, parts)
    }

    /// Operators that move elements.
    fn folded_shape(
        &mut self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
        parts: Vec<Array>,
    ) -> Result<Option<Vec<Value<'a>>>, String> {
        let first = parts[0].clone();
        let rank = first.dims.len();
        let array = match node.op_type.as_str() {
            "Identity" => first,
            "Cast" => {
                attributes.ignore(&["saturate", "round_mode"]);
                let to = attributes.int("to")?.ok_or("`to` is missing")?;
                first.cast(i32::try_from(to).map_err(|_| format!("`to` {to} is not a type"))?)
            }
            "Concat" => {
                let axis = axis_in(attributes.int("axis")?.ok_or("`axis` is missing")?, rank)?;
                Array::concat(&parts, axis)?
            }
            "Gather" => {
                let axis = axis_in(attributes.int("axis")?.unwrap_or(0), rank)?;
                first.gathered(axis, parts.get(1).ok_or("its indices are missing")?)?
            }
            "Unsqueeze" => {
                let axes = self.axes(node, attributes, 1)?.ok_or("its axes are missing")?;
                let dims = unsqueezed(&first.dims, &axes)?;
                first.with_dims(dims)?
            }
            "Squeeze" => {
                let axes = self.axes(node, attributes, 1)?;
                let dims = squeezed(&first.dims, axes.as_deref())?;
                first.with_dims(dims)?
            }
            "Reshape" => {
                let wanted = self.ints(node, 1)?.ok_or("its shape is missing")?;
                let dims = reshaped(&first.dims, &wanted, attributes.int("allowzero")?.unwrap_or(0) != 0);
                first
                    .clone()
                    .with_dims(dims.ok_or_else(|| format!("cannot reshape {:?} to {wanted:?}", first.dims))?)?
            }
            "Transpose" => {
                let order = attributes.ints("perm")?;
                let order = order.map_or_else(
                    || Ok((0..rank).rev().collect()),
                    |order| order.iter().map(|&axis| axis_in(axis, rank)).collect::<Result<Vec<_>, _>>(),
                )?;
                first.transposed(&order)?
            }
            "Expand" => {
                let shape = self.ints(node, 1)?.ok_or("its shape is missing")?;
                let shape: Option<Vec<usize>> = shape.iter().map(|&size| usize::try_from(size).ok()).collect();
                let like = Array { dims: shape.ok_or("its shape is invalid")?, data_type: INT64, values: None };
                let dims = Array::map(&[&first, &like], INT64, |_| 0.0)?.dims;
                first.broadcast(&dims)
            }
            "Slice" => {
                let mut array = first;
                for Part { axis, start, step, count } in self.slice_parts(node, attributes, &array.dims.clone())? {
                    array = array.sliced(axis, start, step, count);
                }
                array
            }
            "Range" => range(&parts)?,
            "ReduceProd" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceMean" => {
                let keep = attributes.int("keepdims")?.unwrap_or(1) != 0;
                let axes = self.reduced_axes(node, attributes, rank)?;
                let fold: Scalar = match node.op_type.as_str() {
                    "ReduceProd" => |all| all.iter().product(),
                    "ReduceSum" => |all| all.iter().sum(),
                    "ReduceMax" => |all| all.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    "ReduceMin" => |all| all.iter().copied().fold(f64::INFINITY, f64::min),
                    _ => |all| all.iter().sum::<f64>() / all.len().max(1) as f64,
                };
                first.reduced(&axes, keep, fold)
            }
            "Split" => {
                let (axis, sizes) = self.split_sizes(node, attributes, &first.dims)?;
                let mut start = 0;
                let mut outputs = Vec::with_capacity(sizes.len());
                for size in sizes {
                    outputs.push(Value::Constant(first.sliced(axis, start as i64, 1, size).into_tensor()));
                    start += size;
                }
                return Ok(Some(outputs));
            }
            _ => return Ok(None),
        };
        Ok(Some(vec![Value::Constant(array.into_tensor())]))
    }

    /// The sizes of a value, which are all known.
    fn shape_values(&self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<Vec<Value<'a>>, String> {
        let sizes = match self.value(node, 0)? {
            Value::Node(id) => self.shape(*id).0.clone(),
            Value::Constant(tensor) => tensor.sizes()?,
        };
        if node.op_type == "Size" {
            let all = sizes.iter().map(|&size| size as f64).product();
            return Ok(vec![Value::Constant(Tensor::computed(&[], INT64, Some(vec![all])))]);
        }
        let bound = |given: Option<i64>, default: usize| {
            let at = given.unwrap_or(default as i64);
            let at = if at < 0 { at.saturating_add(sizes.len() as i64) } else { at };
            at.clamp(0, sizes.len() as i64) as usize
        };
        let (start, end) = (bound(attributes.int("start")?, 0), bound(attributes.int("end")?, sizes.len()));
        Ok(vec![Value::Constant(Tensor::of_ints(sizes.get(start..end).unwrap_or_default()))])
    }

    /// The parts that a `Slice` takes of constants or data of given sizes.
    pub(super) fn slice_parts(
        &self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
        dims: &[usize],
    ) -> Result<Vec<Part>, String> {
        let given = |index: usize, of_attribute: Option<Vec<i64>>| match of_attribute {
            Some(list) => Ok(Some(list)),
            None => self.ints(node, index),
        };
        let starts = given(1, attributes.ints("starts")?)?.ok_or("its bounds are missing")?;
        let ends = given(2, attributes.ints("ends")?)?.ok_or("its bounds are missing")?;
        let axes = given(3, attributes.ints("axes")?)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = self.ints(node, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
        parts_of_slice(dims, &starts, &ends, &axes, &steps)
    }
}

/// A `Constant`, however it is written.
fn constant<'a>(attributes: &mut Attributes<'a>) -> Result<Tensor<'a>, String> {
    if let Some(tensor) = attributes.tensor("value")? {
        return Ok(tensor);
    }
    if let Some(value) = attributes.int("value_int")? {
        return Ok(Tensor::computed(&[], INT64, Some(vec![value as f64])));
    }
    if let Some(value) = attributes.float("value_float")? {
        return Ok(Tensor::computed(&[], FLOAT, Some(vec![f64::from(value)])));
    }
    if let Some(values) = attributes.ints("value_ints")? {
        return Ok(Tensor::computed(&[values.len()], INT64, Some(values.iter().map(|&v| v as f64).collect())));
    }
    if let Some(values) = attributes.floats("value_floats")? {
        return Ok(Tensor::computed(&[values.len()], FLOAT, Some(values.into_iter().map(f64::from).collect())));
    }
    Err("only a constant of numbers is supported".to_owned())
}

/// `ConstantOfShape`; float zeros are data that is known to be zero.
fn of_shape<'a>(shape: &Tensor<'a>, attributes: &mut Attributes<'a>) -> Result<Option<Vec<Value<'a>>>, String> {
    let value = attributes.tensor("value")?;
    let data_type = value.as_ref().map_or(FLOAT, |tensor| tensor.data_type);
    let number = match &value {
        Some(tensor) => tensor.number().ok_or("its value is not one number")?,
        None => 0.0,
    };
    let sizes = shape.ints().map_err(|problem| format!("its shape {problem}"))?;
    let sizes: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
    let sizes = sizes.ok_or("its shape is invalid")?;
    let tensor = Tensor::filled(&sizes, data_type, number);
    tensor.elements().ok_or("its shape is too large")?;
    Ok(Some(vec![Value::Constant(tensor)]))
}

fn range(parts: &[Array]) -> Result<Array, String> {
    let number = |i: usize| match parts.get(i).and_then(|part| part.values.as_deref()) {
        Some(&[value]) => Ok(value),
        _ => Err("its bounds are not known before the model runs".to_owned()),
    };
    let (start, limit, step) = (number(0)?, number(1)?, number(2)?);
    let count = ((limit - start) / step).ceil().max(0.0);
    if !count.is_finite() || count > f64::from(u32::MAX) {
        return Err(format!("it goes from {start} to {limit} in steps of {step}"));
    }
    let count = count as usize;
    let values = (count <= MAX_COMPUTED).then(|| (0..count).map(|i| start + step * i as f64).collect());
    Ok(Array { dims: vec![count], data_type: parts[0].data_type, values })
}

/// The type of a function's result.
enum Kind {
    /// The type of its first input.
    Same,
    /// True or false.
    Truth,
    /// The type of the alternatives.
    Select,
}

fn wanted(operator: &str, given: usize) -> usize {
    match operator {
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "Equal" | "Less" | "Greater" | "LessOrEqual"
        | "GreaterOrEqual" | "And" | "Or" => 2,
        "Where" => 3,
        "Max" | "Min" => given.max(1),
        _ => 1,
    }
}

fn scalar(operator: &str) -> Option<(Scalar, Kind)> {
    Some(match operator {
        "Add" => (|v| v[0] + v[1], Kind::Same),
        "Sub" => (|v| v[0] - v[1], Kind::Same),
        "Mul" => (|v| v[0] * v[1], Kind::Same),
        "Div" => (|v| v[0] / v[1], Kind::Same),
        // The result has the sign of the divisor, as in Python.
        "Mod" => (|v| v[0] - v[1] * (v[0] / v[1]).floor(), Kind::Same),
        "Pow" => (|v| v[0].powf(v[1]), Kind::Same),
        "Max" => (|v| v.iter().copied().fold(f64::NEG_INFINITY, f64::max), Kind::Same),
        "Min" => (|v| v.iter().copied().fold(f64::INFINITY, f64::min), Kind::Same),
        "Neg" => (|v| -v[0], Kind::Same),
        "Abs" => (|v| v[0].abs(), Kind::Same),
        "Floor" => (|v| v[0].floor(), Kind::Same),
        "Ceil" => (|v| v[0].ceil(), Kind::Same),
        "Round" => (|v| v[0].round_ties_even(), Kind::Same),
        "Sqrt" => (|v| v[0].sqrt(), Kind::Same),
        "Exp" => (|v| v[0].exp(), Kind::Same),
        "Log" => (|v| v[0].ln(), Kind::Same),
        "Reciprocal" => (|v| 1.0 / v[0], Kind::Same),
        "Equal" => (|v| f64::from(u8::from(v[0] == v[1])), Kind::Truth),
        "Less" => (|v| f64::from(u8::from(v[0] < v[1])), Kind::Truth),
        "LessOrEqual" => (|v| f64::from(u8::from(v[0] <= v[1])), Kind::Truth),
        "Greater" => (|v| f64::from(u8::from(v[0] > v[1])), Kind::Truth),
        "GreaterOrEqual" => (|v| f64::from(u8::from(v[0] >= v[1])), Kind::Truth),
        "And" => (|v| f64::from(u8::from(v[0] != 0.0 && v[1] != 0.0)), Kind::Truth),
        "Or" => (|v| f64::from(u8::from(v[0] != 0.0 || v[1] != 0.0)), Kind::Truth),
        "Not" => (|v| f64::from(u8::from(v[0] == 0.0)), Kind::Truth),
        "Where" => (|v| if v[0] != 0.0 { v[1] } else { v[2] }, Kind::Select),
        _ => return None,
    })
}

/// The one index that a constant holds, counted from the start.
pub(super) fn single_index(tensor: &Tensor<'_>, size: usize) -> Option<usize> {
    tensor.dims.is_empty().then(|| tensor.number()).flatten().and_then(|index| index_in(index as i64, size))
}
