//! Tensors of a model and their numbers.

use super::super::schema::{EXTERNAL, FLOAT, FLOAT_BYTES, INT32, INT64, TensorProto};
use super::limits::MAX_VALUES;

/// A tensor with its shape, which a transposition changes.
#[derive(Debug, Clone)]
pub(super) struct Tensor<'a> {
    pub(super) dims: Vec<i64>,
    proto: &'a TensorProto,
}

impl<'a> From<&'a TensorProto> for Tensor<'a> {
    fn from(proto: &'a TensorProto) -> Self {
        Self { dims: proto.dims.clone(), proto }
    }
}

impl Tensor<'_> {
    /// Number of elements, if that is a number.
    pub(super) fn elements(&self) -> Option<u64> {
        self.dims.iter().try_fold(1_u64, |product, &d| product.checked_mul(u64::try_from(d).ok()?))
    }

    /// Why it cannot be a tensor of 32-bit floats.
    pub(super) fn problem_as_floats(&self) -> Option<String> {
        let Some(elements) = self.elements() else { return Some(format!("has the shape {:?}", self.dims)) };
        let bytes = elements.checked_mul(FLOAT_BYTES);
        let floats = self.proto.float_data.len() as u64 * FLOAT_BYTES;
        let stored = self.proto.raw_data.as_ref().map_or(floats, |raw| raw.len() as u64);
        if self.proto.data_type != FLOAT {
            Some(format!("has type {}, not 32-bit floats", type_name(self.proto.data_type)))
        } else if !self.is_external() && Some(stored) != bytes {
            Some(format!("has values for another shape than {:?}", self.dims))
        } else {
            None
        }
    }

    /// A short list of integers.
    pub(super) fn ints(&self) -> Result<Vec<i64>, String> {
        let count = self.short()?;
        let proto = self.proto;
        match (proto.data_type, proto.raw_data.as_deref()) {
            (INT64, None) if proto.int64_data.len() == count => Ok(proto.int64_data.clone()),
            (INT32, None) if proto.int32_data.len() == count => {
                Ok(proto.int32_data.iter().copied().map(i64::from).collect())
            }
            (INT64, Some(raw)) if raw.len() == 8 * count => {
                Ok(raw.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect())
            }
            (INT32, Some(raw)) if raw.len() == 4 * count => {
                Ok(raw.as_chunks().0.iter().map(|&bytes| i64::from(i32::from_le_bytes(bytes))).collect())
            }
            _ => Err("is not a list of integers of its shape".to_owned()),
        }
    }

    /// One float.
    pub(super) fn float(&self) -> Result<f32, String> {
        match (self.short()?, self.proto.data_type, self.proto.raw_data.as_deref(), &self.proto.float_data[..]) {
            (1, FLOAT, Some(raw), _) => {
                raw.try_into().map(f32::from_le_bytes).map_err(|_| "is not one number".to_owned())
            }
            (1, FLOAT, None, [value]) => Ok(*value),
            _ => Err("is not one 32-bit float".to_owned()),
        }
    }

    /// Whether its values are in another file.
    fn is_external(&self) -> bool {
        self.proto.data_location == EXTERNAL
    }

    fn short(&self) -> Result<usize, String> {
        if self.is_external() {
            return Err("is stored outside of the model's file".to_owned());
        }
        let few = self.elements().and_then(|n| usize::try_from(n).ok()).filter(|&n| n <= MAX_VALUES);
        few.ok_or_else(|| format!("has the shape {:?}, too large here", self.dims))
    }
}

/// Name of a data type, as ONNX's documentation has it.
pub(super) fn type_name(number: i32) -> String {
    let names =
        ["undefined", "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16"];
    let known = usize::try_from(number).ok().and_then(|i| names.get(i));
    known.map_or_else(|| format!("number {number}"), |name| (*name).to_owned())
}

/// ONNX's own operators.
pub(super) fn is_default_domain(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}
