//! Model files, for runtimes that read models themselves. Their kernels are known only after the model is opened.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Opens a model file on the device. Later visits treat it like a network whose layers are the kernels in the reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRequest {
    /// Number by which later requests name it.
    #[serde(rename = "unit")]
    pub workload: u32,
    /// The file. Files with external tensors must be in the same directory.
    pub path: String,
    /// By input name: shapes of the inputs with dynamic sizes.
    pub shapes: BTreeMap<String, Vec<u64>>,
    /// A `.npz` file with values of inputs; the agent generates values for the other inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<String>,
}

/// A model is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelOpened {
    /// Its number.
    #[serde(rename = "unit")]
    pub workload: u32,
    /// Its kernels in the order in which the runtime runs them.
    pub kernels: Vec<ModelKernel>,
    /// Its inputs as text: name, type and shape.
    pub inputs: Vec<String>,
    /// Nanoseconds to create a runtime session for it.
    pub session_ns: u64,
    /// Nanoseconds of the first run.
    pub first_ns: u64,
    /// Peak memory in bytes, minus that of the process without the model.
    pub peak_bytes: Option<u64>,
}

/// A kernel of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelKernel {
    /// Name of its node; it often includes the names of nodes fused into it.
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
