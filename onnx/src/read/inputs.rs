//! Shapes of a model's inputs: fixed by the model, or given by the caller.

use std::collections::{BTreeMap, HashMap};

use nasprof_base::suggest::{did_you_mean, nearest};
use nasprof_graph::Shape;

use super::super::error::OnnxError;
use super::super::schema::{Dimension, FLOAT, GraphProto, ValueInfoProto};
use super::message::type_name;

/// Shapes for inputs by name, for sizes that a model leaves open.
pub type InputShapes = BTreeMap<String, Vec<usize>>;

/// The shape of each input that is data, by name.
pub(super) fn shapes_of<'a>(
    graph: &'a GraphProto,
    is_data: impl Fn(&str) -> bool,
    given: &InputShapes,
) -> Result<Vec<(&'a str, Shape)>, OnnxError> {
    let data: Vec<&ValueInfoProto> = graph.input.iter().filter(|input| is_data(&input.name)).collect();
    if let Some(unknown) = given.keys().find(|name| !data.iter().any(|input| input.name == **name)) {
        let known: Vec<&str> = data.iter().map(|input| input.name.as_str()).collect();
        let hint = did_you_mean(nearest(unknown, known.iter().copied()).as_deref());
        return Err(OnnxError::UnknownInput { name: unknown.clone(), known: known.join(", "), hint });
    }
    // Dimensions with the same name have the same size.
    let mut named: HashMap<&str, usize> = HashMap::new();
    for input in &data {
        let Some(shape) = given.get(&input.name) else { continue };
        let dims = dims_of(input)?;
        let misfit = |problem: String| OnnxError::InputShape { name: input.name.clone(), problem };
        if dims.len() != shape.len() {
            return Err(misfit(format!("it has {} dimensions, {} are given", dims.len(), shape.len())));
        }
        for (axis, (dim, &size)) in dims.iter().zip(shape).enumerate() {
            if let Some(fixed) = fixed(dim)
                && fixed != size as i64
            {
                return Err(misfit(format!("the model fixes dimension {axis} at {fixed}, not {size}")));
            }
            if size == 0 {
                return Err(misfit(format!("dimension {axis} is 0")));
            }
            if fixed(dim).is_none()
                && is_name(&dim.dim_param)
                && let Some(before) = named.insert(&dim.dim_param, size).filter(|before| *before != size)
            {
                return Err(misfit(format!("`{}` is {size} here and {before} elsewhere", dim.dim_param)));
            }
        }
    }
    data.into_iter().map(|input| Ok((input.name.as_str(), shape_of(input, given.get(&input.name), &named)?))).collect()
}

/// A size that the model fixes. Programs write -1 or 0 for an open size.
fn fixed(dim: &Dimension) -> Option<i64> {
    dim.dim_value.filter(|&size| !(-1..=0).contains(&size))
}

/// Some programs write a question mark for every open size.
fn is_name(text: &str) -> bool {
    text.contains(char::is_alphanumeric)
}

fn dims_of(input: &ValueInfoProto) -> Result<&[Dimension], OnnxError> {
    let fail = |problem: String| OnnxError::Model(format!("its input `{}` {problem}", input.name));
    let tensor = input.kind.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let Some((tensor, shape)) = tensor.and_then(|tensor| Some((tensor, tensor.shape.as_ref()?))) else {
        return Err(fail("has no shape".to_owned()));
    };
    if tensor.elem_type != FLOAT {
        let (name, kind) = (input.name.clone(), type_name(tensor.elem_type));
        return Err(OnnxError::InputType { name, kind });
    }
    Ok(&shape.dim)
}

/// An open batch is 1; any other size must be known.
fn shape_of(
    input: &ValueInfoProto,
    given: Option<&Vec<usize>>,
    named: &HashMap<&str, usize>,
) -> Result<Shape, OnnxError> {
    let dims = dims_of(input)?;
    if let Some(given) = given {
        return Ok(Shape(given.clone()));
    }
    let mut shape = Vec::with_capacity(dims.len());
    let mut open = Vec::new();
    for (axis, dim) in dims.iter().enumerate() {
        match (fixed(dim), named.get(dim.dim_param.as_str())) {
            (Some(size), _) => shape.push(usize::try_from(size).map_err(|_| {
                OnnxError::Model(format!("its input `{}` has the size {size} in dimension {axis}", input.name))
            })?),
            (None, Some(&size)) => shape.push(size),
            (None, _) if axis == 0 => shape.push(1),
            (None, _) => open.push((axis, dim.dim_param.clone())),
        }
    }
    if open.is_empty() {
        return Ok(Shape(shape));
    }
    let known = |(axis, dim): (usize, &Dimension)| match fixed(dim) {
        Some(size) => size.to_string(),
        None if axis == 0 => "1".to_owned(),
        None => "?".to_owned(),
    };
    let pattern = dims.iter().enumerate().map(known).collect::<Vec<_>>().join("x");
    Err(OnnxError::OpenSize { name: input.name.clone(), axis: open[0].0, dimension: open[0].1.clone(), pattern })
}
