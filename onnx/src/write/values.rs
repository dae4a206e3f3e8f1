//! Attributes, tensors and value descriptions as ONNX messages.

use nasprof_graph::Shape;

use super::super::schema::{FLOAT, INT64, attribute, tensor, value};
use crate::protobuf::Message;

pub(super) fn int(name: &str, of: i64) -> Message {
    Message::new().bytes(attribute::NAME, name).int(attribute::INT, of).int(attribute::TYPE, attribute::TYPE_INT)
}

pub(super) fn float(name: &str, of: f64) -> Message {
    Message::new()
        .bytes(attribute::NAME, name)
        .float(attribute::FLOAT, of as f32)
        .int(attribute::TYPE, attribute::TYPE_FLOAT)
}

pub(super) fn string(name: &str, of: &str) -> Message {
    Message::new()
        .bytes(attribute::NAME, name)
        .bytes(attribute::STRING, of)
        .int(attribute::TYPE, attribute::TYPE_STRING)
}

/// A list as the checker of ONNX wants it: one field a value, not packed.
pub(super) fn ints(name: &str, of: &[usize]) -> Message {
    let message = Message::new().bytes(attribute::NAME, name);
    let message = of.iter().fold(message, |message, &v| message.int(attribute::INTS, v as i64));
    message.int(attribute::TYPE, attribute::TYPE_INTS)
}

pub(super) fn constant(name: &str, of: &Message) -> Message {
    Message::new()
        .bytes(attribute::NAME, name)
        .message(attribute::TENSOR, of)
        .int(attribute::TYPE, attribute::TYPE_TENSOR)
}

/// A tensor of 32-bit floats; `raw` are its values in little-endian order.
pub(super) fn float_tensor(name: &str, dims: &[usize], raw: &[u8]) -> Message {
    tensor_of(name, dims, FLOAT, raw)
}

/// A vector of integers.
pub(super) fn int_tensor(values: &[i64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor_of("", &[values.len()], INT64, &raw)
}

fn tensor_of(name: &str, dims: &[usize], data_type: i64, raw: &[u8]) -> Message {
    let message = dims.iter().fold(Message::new(), |message, &d| message.int(tensor::DIMS, d as i64));
    message.int(tensor::DATA_TYPE, data_type).bytes(tensor::NAME, name).bytes(tensor::RAW_DATA, raw)
}

/// Name and shape of a value of 32-bit floats.
pub(super) fn info(name: &str, shape: &Shape) -> Message {
    let dimension = |size: usize| Message::new().int(value::SIZE, size as i64);
    let shape = shape.0.iter().fold(Message::new(), |all, &size| all.message(value::DIMENSION, &dimension(size)));
    let tensor_type = Message::new().int(value::ELEMENT_TYPE, FLOAT).message(value::SHAPE, &shape);
    let kind = Message::new().message(value::TENSOR_TYPE, &tensor_type);
    Message::new().bytes(value::NAME, name).message(value::TYPE, &kind)
}
