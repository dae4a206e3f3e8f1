//! The numbers of ONNX's own schema (`onnx.proto`) that we use.

/// Version of the file format: that of ONNX 1.12, which came with operators of version 17.
pub(super) const IR_VERSION: i64 = 8;
/// Version of the operators that are written.
pub(super) const OPSET: i64 = 17;

/// `TensorProto.DataType`
pub(super) const FLOAT: i64 = 1;
pub(super) const INT32: i64 = 6;
pub(super) const INT64: i64 = 7;
/// Bytes of a [`FLOAT`].
pub(super) const FLOAT_BYTES: u64 = 4;

/// Fields of `ModelProto`.
pub(super) mod model {
    pub(in crate::onnx) const IR_VERSION: u64 = 1;
    pub(in crate::onnx) const PRODUCER_NAME: u64 = 2;
    pub(in crate::onnx) const PRODUCER_VERSION: u64 = 3;
    pub(in crate::onnx) const GRAPH: u64 = 7;
    pub(in crate::onnx) const OPSET_IMPORT: u64 = 8;
    pub(in crate::onnx) const METADATA: u64 = 14;
}

/// Fields of `OperatorSetIdProto`.
pub(super) mod opset {
    pub(in crate::onnx) const DOMAIN: u64 = 1;
    pub(in crate::onnx) const VERSION: u64 = 2;
}

/// Fields of `GraphProto`.
pub(super) mod graph {
    pub(in crate::onnx) const NODE: u64 = 1;
    pub(in crate::onnx) const NAME: u64 = 2;
    pub(in crate::onnx) const INITIALIZER: u64 = 5;
    pub(in crate::onnx) const INPUT: u64 = 11;
    pub(in crate::onnx) const OUTPUT: u64 = 12;
    pub(in crate::onnx) const VALUE_INFO: u64 = 13;
    pub(in crate::onnx) const SPARSE_INITIALIZER: u64 = 15;
}

/// Fields of `NodeProto`.
pub(super) mod node {
    pub(in crate::onnx) const INPUT: u64 = 1;
    pub(in crate::onnx) const OUTPUT: u64 = 2;
    pub(in crate::onnx) const NAME: u64 = 3;
    pub(in crate::onnx) const OP_TYPE: u64 = 4;
    pub(in crate::onnx) const ATTRIBUTE: u64 = 5;
    pub(in crate::onnx) const DOMAIN: u64 = 7;
}

/// Fields of `AttributeProto`, and its types.
pub(super) mod attribute {
    pub(in crate::onnx) const NAME: u64 = 1;
    pub(in crate::onnx) const FLOAT: u64 = 2;
    pub(in crate::onnx) const INT: u64 = 3;
    pub(in crate::onnx) const STRING: u64 = 4;
    pub(in crate::onnx) const TENSOR: u64 = 5;
    pub(in crate::onnx) const INTS: u64 = 8;
    pub(in crate::onnx) const TYPE: u64 = 20;
    pub(in crate::onnx) const TYPE_FLOAT: i64 = 1;
    pub(in crate::onnx) const TYPE_INT: i64 = 2;
    pub(in crate::onnx) const TYPE_STRING: i64 = 3;
    pub(in crate::onnx) const TYPE_TENSOR: i64 = 4;
    pub(in crate::onnx) const TYPE_INTS: i64 = 7;
}

/// Fields of `TensorProto`.
pub(super) mod tensor {
    pub(in crate::onnx) const DIMS: u64 = 1;
    pub(in crate::onnx) const DATA_TYPE: u64 = 2;
    pub(in crate::onnx) const FLOAT_DATA: u64 = 4;
    pub(in crate::onnx) const INT32_DATA: u64 = 5;
    pub(in crate::onnx) const INT64_DATA: u64 = 7;
    pub(in crate::onnx) const NAME: u64 = 8;
    pub(in crate::onnx) const RAW_DATA: u64 = 9;
    pub(in crate::onnx) const DATA_LOCATION: u64 = 14;
    /// The value of that field for a tensor in another file.
    pub(in crate::onnx) const EXTERNAL: i64 = 1;
}

/// Fields of `ValueInfoProto` and of what it holds: `TypeProto`, `TypeProto.Tensor`, `TensorShapeProto`, `Dimension`.
pub(super) mod value {
    pub(in crate::onnx) const NAME: u64 = 1;
    pub(in crate::onnx) const TYPE: u64 = 2;
    pub(in crate::onnx) const TENSOR_TYPE: u64 = 1;
    pub(in crate::onnx) const ELEMENT_TYPE: u64 = 1;
    pub(in crate::onnx) const SHAPE: u64 = 2;
    pub(in crate::onnx) const DIMENSION: u64 = 1;
    pub(in crate::onnx) const SIZE: u64 = 1;
    pub(in crate::onnx) const SIZE_NAME: u64 = 2;
}

/// Fields of `StringStringEntryProto`.
pub(super) mod entry {
    pub(in crate::onnx) const KEY: u64 = 1;
    pub(in crate::onnx) const VALUE: u64 = 2;
}
