//! Numbers of the ONNX schema (`onnx.proto`).

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
    pub(crate) const IR_VERSION: u64 = 1;
    pub(crate) const PRODUCER_NAME: u64 = 2;
    pub(crate) const PRODUCER_VERSION: u64 = 3;
    pub(crate) const GRAPH: u64 = 7;
    pub(crate) const OPSET_IMPORT: u64 = 8;
    pub(crate) const METADATA: u64 = 14;
}

/// Fields of `OperatorSetIdProto`.
pub(super) mod opset {
    pub(crate) const DOMAIN: u64 = 1;
    pub(crate) const VERSION: u64 = 2;
}

/// Fields of `GraphProto`.
pub(super) mod graph {
    pub(crate) const NODE: u64 = 1;
    pub(crate) const NAME: u64 = 2;
    pub(crate) const INITIALIZER: u64 = 5;
    pub(crate) const INPUT: u64 = 11;
    pub(crate) const OUTPUT: u64 = 12;
    pub(crate) const VALUE_INFO: u64 = 13;
    pub(crate) const SPARSE_INITIALIZER: u64 = 15;
}

/// Fields of `NodeProto`.
pub(super) mod node {
    pub(crate) const INPUT: u64 = 1;
    pub(crate) const OUTPUT: u64 = 2;
    pub(crate) const NAME: u64 = 3;
    pub(crate) const OP_TYPE: u64 = 4;
    pub(crate) const ATTRIBUTE: u64 = 5;
    pub(crate) const DOMAIN: u64 = 7;
}

/// Fields of `AttributeProto`, and its types.
pub(super) mod attribute {
    pub(crate) const NAME: u64 = 1;
    pub(crate) const FLOAT: u64 = 2;
    pub(crate) const INT: u64 = 3;
    pub(crate) const STRING: u64 = 4;
    pub(crate) const TENSOR: u64 = 5;
    pub(crate) const INTS: u64 = 8;
    pub(crate) const TYPE: u64 = 20;
    pub(crate) const TYPE_FLOAT: i64 = 1;
    pub(crate) const TYPE_INT: i64 = 2;
    pub(crate) const TYPE_STRING: i64 = 3;
    pub(crate) const TYPE_TENSOR: i64 = 4;
    pub(crate) const TYPE_INTS: i64 = 7;
}

/// Fields of `TensorProto`.
pub(super) mod tensor {
    pub(crate) const DIMS: u64 = 1;
    pub(crate) const DATA_TYPE: u64 = 2;
    pub(crate) const FLOAT_DATA: u64 = 4;
    pub(crate) const INT32_DATA: u64 = 5;
    pub(crate) const INT64_DATA: u64 = 7;
    pub(crate) const NAME: u64 = 8;
    pub(crate) const RAW_DATA: u64 = 9;
    pub(crate) const DATA_LOCATION: u64 = 14;
    /// The value of that field for a tensor in another file.
    pub(crate) const EXTERNAL: i64 = 1;
}

/// Fields of `ValueInfoProto` and of what it holds: `TypeProto`, `TypeProto.Tensor`, `TensorShapeProto`, `Dimension`.
pub(super) mod value {
    pub(crate) const NAME: u64 = 1;
    pub(crate) const TYPE: u64 = 2;
    pub(crate) const TENSOR_TYPE: u64 = 1;
    pub(crate) const ELEMENT_TYPE: u64 = 1;
    pub(crate) const SHAPE: u64 = 2;
    pub(crate) const DIMENSION: u64 = 1;
    pub(crate) const SIZE: u64 = 1;
    pub(crate) const SIZE_NAME: u64 = 2;
}

/// Fields of `StringStringEntryProto`.
pub(super) mod entry {
    pub(crate) const KEY: u64 = 1;
    pub(crate) const VALUE: u64 = 2;
}
