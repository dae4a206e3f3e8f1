//! Model files, for runtimes that read models themselves: their kernels are not known before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Opens a model file that is on the device. It is then visited like a network; its layers are the kernels that the reply lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRequest {
    /// Number by which later requests name it.
    #[serde(rename = "unit")]
    pub workload: u32,
    /// The file; tensors that it keeps in other files are looked for beside it.
    pub path: String,
    /// Shapes of inputs whose sizes the model leaves open, by name.
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// A `.npz` file with values of inputs; the others are filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
}

/// A model is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOpened {
    /// Its number.
    #[serde(rename = "unit")]
    pub workload: u32,
    /// Its kernels as the runtime runs them, in order.
    pub kernels: Vec<ModelKernel>,
    /// Its inputs, in words: name, type and shape.
    pub inputs: Vec<String>,
    /// Nanoseconds of making a session of it.
    pub session_ns: u64,
    /// Nanoseconds of the first run.
    pub first_ns: u64,
    /// Most bytes above the process without the model.
    pub peak_bytes: Option<u64>,
}

/// A kernel of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelKernel {
    /// Name of its node: what was fused into it is often part of the name.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Execution provider that runs it.
    pub provider: String,
    /// Types and shapes of its inputs.
    pub inputs: Vec<String>,
    /// Types and shapes of its outputs.
    pub outputs: Vec<String>,
    /// Bytes of its parameters.
    pub parameter_bytes: u64,
}
