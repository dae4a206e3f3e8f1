//! Tensors of a model and their numbers.

use std::rc::Rc;

use super::super::schema::{BOOL, DOUBLE, EXTERNAL, FLOAT, FLOAT_BYTES, INT8, INT32, INT64, TensorProto, UINT8};
use super::limits::MAX_VALUES;

/// Most values of a constant in computations; of larger constants only the shape is known.
pub(super) const MAX_COMPUTED: usize = 1024;

/// A tensor with its shape; values of weights are not read.
#[derive(Debug, Clone)]
pub(super) struct Tensor<'a> {
    pub(super) dims: Vec<i64>,
    pub(super) data_type: i32,
    content: Content<'a>,
}

#[derive(Debug, Clone)]
enum Content<'a> {
    /// Stored in the model.
    Stored(&'a TensorProto),
    /// Computed from other constants.
    Computed(Rc<[f64]>),
    /// One number everywhere.
    Filled(f64),
    /// The shape alone was computed.
    Unknown,
}

impl<'a> From<&'a TensorProto> for Tensor<'a> {
    fn from(proto: &'a TensorProto) -> Self {
        Self { dims: proto.dims.clone(), data_type: proto.data_type, content: Content::Stored(proto) }
    }
}

impl Tensor<'_> {
    /// A computed tensor, with its values if they are known.
    pub(super) fn computed(sizes: &[usize], data_type: i32, values: Option<Vec<f64>>) -> Self {
        let content = values.map_or(Content::Unknown, |values| Content::Computed(values.into()));
        Self { dims: sizes.iter().map(|&size| size as i64).collect(), data_type, content }
    }

    /// One number everywhere.
    pub(super) fn filled(sizes: &[usize], data_type: i32, number: f64) -> Self {
        Self { content: Content::Filled(number), ..Self::computed(sizes, data_type, None) }
    }

    /// Number of its computed values, which are not in the model.
    pub(super) fn computed_values(&self) -> usize {
        if let Content::Computed(values) = &self.content { values.len() } else { 0 }
    }

    /// Its shape alone.
    pub(super) fn without_values(self) -> Self {
        Self { content: Content::Unknown, ..self }
    }

    /// Whether the model fills it with zeros. A stored weight that happens to be zero does not count.
    pub(super) fn is_zero(&self) -> bool {
        matches!(self.content, Content::Filled(number) if number == 0.0)
    }

    /// A list of integers.
    pub(super) fn of_ints(values: &[usize]) -> Self {
        Self::computed(&[values.len()], INT64, Some(values.iter().map(|&value| value as f64).collect()))
    }

    /// Number of elements; `None` if a size is negative or the product overflows.
    pub(super) fn elements(&self) -> Option<u64> {
        self.dims.iter().try_fold(1_u64, |product, &d| product.checked_mul(u64::try_from(d).ok()?))
    }

    /// Its sizes, if they are valid.
    pub(super) fn sizes(&self) -> Result<Vec<usize>, String> {
        let sizes = self.dims.iter().map(|&d| usize::try_from(d).ok()).collect::<Option<Vec<usize>>>();
        sizes.filter(|_| self.elements().is_some()).ok_or_else(|| format!("has the shape {:?}", self.dims))
    }

    /// Why it cannot be a tensor of 32-bit floats.
    pub(super) fn problem_as_floats(&self) -> Option<String> {
        let Some(elements) = self.elements() else { return Some(format!("has the shape {:?}", self.dims)) };
        if self.data_type != FLOAT {
            return Some(format!("has type {}, not 32-bit floats", type_name(self.data_type)));
        }
        let Content::Stored(proto) = self.content else { return None };
        let floats = proto.float_data.len() as u64 * FLOAT_BYTES;
        let stored = proto.raw_data.as_ref().map_or(floats, |raw| raw.len() as u64);
        // The stored tensor's shape: a view of it has other sizes.
        let claimed = Self::from(proto).elements().and_then(|stored| stored.checked_mul(FLOAT_BYTES));
        if proto.data_location != EXTERNAL && (Some(stored) != claimed || claimed != elements.checked_mul(FLOAT_BYTES))
        {
            return Some(format!("has values for another shape than {:?}", self.dims));
        }
        None
    }

    /// A short list of integers.
    pub(super) fn ints(&self) -> Result<Vec<i64>, String> {
        self.short()?;
        let values = self.values().filter(|_| matches!(self.data_type, INT32 | INT64));
        // Numbers beyond 2^53 mean "to the end", also after rounding.
        values.map(|values| values.iter().map(|&v| v as i64).collect()).ok_or_else(|| {
            if matches!(self.content, Content::Unknown) {
                "has values that are not known before the model runs".to_owned()
            } else {
                "is not a list of integers of its shape".to_owned()
            }
        })
    }

    /// The only number in it.
    pub(super) fn number(&self) -> Option<f64> {
        match self.values()?.as_ref() {
            [value] => Some(*value),
            _ => None,
        }
    }

    /// Its values, if they are few and in the model.
    pub(super) fn values(&self) -> Option<Rc<[f64]>> {
        let count = self.elements().and_then(|n| usize::try_from(n).ok()).filter(|&n| n <= MAX_COMPUTED)?;
        let proto = match &self.content {
            Content::Computed(values) => return Some(values.clone()),
            Content::Filled(number) => return Some(vec![*number; count].into()),
            Content::Unknown => return None,
            Content::Stored(proto) => proto,
        };
        if proto.data_location == EXTERNAL {
            return None;
        }
        let values: Vec<f64> = match (self.data_type, proto.raw_data.as_deref()) {
            (FLOAT, None) => proto.float_data.iter().copied().map(f64::from).collect(),
            (INT32 | INT8 | UINT8 | BOOL, None) => proto.int32_data.iter().copied().map(f64::from).collect(),
            (INT64, None) => proto.int64_data.iter().map(|&v| v as f64).collect(),
            (DOUBLE, None) => proto.double_data.clone(),
            (FLOAT, Some(raw)) => each(raw, |bytes| f64::from(f32::from_le_bytes(bytes)))?,
            (INT32, Some(raw)) => each(raw, |bytes| f64::from(i32::from_le_bytes(bytes)))?,
            (INT64, Some(raw)) => each(raw, |bytes| i64::from_le_bytes(bytes) as f64)?,
            (DOUBLE, Some(raw)) => each(raw, f64::from_le_bytes)?,
            (UINT8 | BOOL, Some(raw)) => each(raw, |[byte]| f64::from(byte))?,
            (INT8, Some(raw)) => each(raw, |bytes| f64::from(i8::from_le_bytes(bytes)))?,
            _ => return None,
        };
        (values.len() == count).then(|| values.into())
    }

    fn short(&self) -> Result<usize, String> {
        if matches!(self.content, Content::Stored(proto) if proto.data_location == EXTERNAL) {
            return Err("is stored outside of the model's file".to_owned());
        }
        let few = self.elements().and_then(|n| usize::try_from(n).ok()).filter(|&n| n <= MAX_VALUES);
        few.ok_or_else(|| format!("has the shape {:?}, too large here", self.dims))
    }
}

/// Numbers of `N` bytes each.
fn each<const N: usize>(raw: &[u8], number: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
    let (chunks, rest) = raw.as_chunks();
    rest.is_empty().then(|| chunks.iter().map(|&bytes| number(bytes)).collect())
}

/// Name of a data type, as in ONNX's documentation.
pub(super) fn type_name(number: i32) -> String {
    let names = [
        "undefined",
        "float",
        "uint8",
        "int8",
        "uint16",
        "int16",
        "int32",
        "int64",
        "string",
        "bool",
        "float16",
        "double",
        "uint32",
        "uint64",
        "complex64",
        "complex128",
        "bfloat16",
    ];
    let known = usize::try_from(number).ok().and_then(|i| names.get(i));
    known.map_or_else(|| format!("number {number}"), |name| (*name).to_owned())
}

/// ONNX's own operators.
pub(super) fn is_default_domain(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}
