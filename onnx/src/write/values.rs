//! Attributes, tensors and value descriptions as ONNX messages.

use nasprof_graph::Shape;

use super::super::schema::{
    AttributeProto, Dimension, INT64, TYPE_FLOAT, TYPE_INT, TYPE_INTS, TYPE_STRING, TYPE_TENSOR, TensorProto,
    TensorShapeProto, TensorType, TypeProto, ValueInfoProto,
};

/// The range of floats that a value's integers represent.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub(super) scale: f32,
    /// Names of its scale and its zero point in the model.
    pub(super) names: [String; 2],
}

fn attribute(name: &str, kind: i32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), kind: Some(kind), ..AttributeProto::default() }
}

pub(super) fn int(name: &str, of: i64) -> AttributeProto {
    AttributeProto { i: Some(of), ..attribute(name, TYPE_INT) }
}

pub(super) fn float(name: &str, of: f64) -> AttributeProto {
    AttributeProto { f: Some(of as f32), ..attribute(name, TYPE_FLOAT) }
}

pub(super) fn string(name: &str, of: &str) -> AttributeProto {
    AttributeProto { s: Some(of.as_bytes().to_vec()), ..attribute(name, TYPE_STRING) }
}

pub(super) fn ints(name: &str, of: &[usize]) -> AttributeProto {
    AttributeProto { ints: numbers(of), ..attribute(name, TYPE_INTS) }
}

pub(super) fn constant(name: &str, of: TensorProto) -> AttributeProto {
    AttributeProto { t: Some(Box::new(of)), ..attribute(name, TYPE_TENSOR) }
}

/// A vector of integers.
pub(super) fn int_tensor(values: &[i64]) -> TensorProto {
    let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor("", vec![values.len() as i64], INT64, raw)
}

/// The values of 32-bit floats in little-endian order.
pub(super) fn floats_of(raw: &[u8]) -> impl Iterator<Item = f32> {
    raw.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four))
}

/// A tensor; `raw` are its values in little-endian order.
pub(super) fn tensor(name: &str, dims: Vec<i64>, data_type: i32, raw: Vec<u8>) -> TensorProto {
    TensorProto { dims, data_type, name: name.to_owned(), raw_data: Some(raw), ..TensorProto::default() }
}

/// Name, shape and type of a value.
pub(super) fn info(name: &str, shape: &Shape, elem_type: i32) -> ValueInfoProto {
    let sizes = numbers(&shape.0).into_iter();
    let dim = sizes.map(|size| Dimension { dim_value: Some(size), dim_param: String::new() }).collect();
    let tensor_type = TensorType { elem_type, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.to_owned(), kind: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

/// Sizes as ONNX counts them.
pub(super) fn numbers(sizes: &[usize]) -> Vec<i64> {
    sizes.iter().map(|&size| size as i64).collect()
}
