//! Runtimes: each determines which passes transform a graph before it runs.

use serde::{Deserialize, Serialize};

use crate::passes::{
    SelectError, elide_identities, eliminate_dead_code, fold_constants, fold_zeros, fuse_as_onnx_runtime,
    merge_common_subexpressions, quantize_as_onnx_runtime, select,
};
use crate::{Arch, Graph, LoweredNetwork};

/// The runtimes whose optimisers we follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// libtorch, one operator after the other: what is in the pruned graph runs, nothing is fused.
    TorchEager,
    /// ONNX Runtime with all its graph optimisations, where its kernels take values in the plain layout.
    OnnxRuntime,
    /// The same on a processor whose convolutions take values in blocks of 8 channels: x86-64 with 256-bit vectors.
    OnnxRuntimeNchw8c,
    /// The same with blocks of 16 channels: x86-64 with 512-bit vectors.
    OnnxRuntimeNchw16c,
    /// ONNX Runtime in 8-bit integers, with all its graph optimisations.
    OnnxRuntimeInt8,
}

impl Runtime {
    /// Whether it fuses layers, so that the cost of a layer depends on its neighbours.
    #[must_use]
    pub fn fuses(self) -> bool {
        match self {
            Self::TorchEager => false,
            Self::OnnxRuntime | Self::OnnxRuntimeNchw8c | Self::OnnxRuntimeNchw16c | Self::OnnxRuntimeInt8 => true,
        }
    }

    /// ONNX Runtime whose convolutions take blocks of `block` channels; 0 or 1 for the plain layout.
    #[must_use]
    pub fn onnx_runtime(block: usize) -> Option<Self> {
        match block {
            0 | 1 => Some(Self::OnnxRuntime),
            8 => Some(Self::OnnxRuntimeNchw8c),
            16 => Some(Self::OnnxRuntimeNchw16c),
            _ => None,
        }
    }

    /// Channels of a block of ONNX Runtime's convolutions on floats, 0 for the plain layout; `None` for libtorch and
    /// for 8-bit integers.
    #[must_use]
    pub fn onnx_runtime_block(self) -> Option<usize> {
        match self {
            Self::TorchEager | Self::OnnxRuntimeInt8 => None,
            Self::OnnxRuntime => Some(0),
            Self::OnnxRuntimeNchw8c => Some(8),
            Self::OnnxRuntimeNchw16c => Some(16),
        }
    }

    /// The graph that this runtime executes for `graph` at inference.
    ///
    /// Zeros are folded first and dead code removed last, so that everything that only fed a zero is removed as well. A
    /// fixed number of passes suffices because each works in topological order.
    #[must_use]
    pub fn lower(self, graph: &Graph) -> Graph {
        // A quantized graph was fused before.
        if graph.nodes().iter().any(|node| node.op.takes_int8() || node.op.gives_int8()) {
            return graph.clone();
        }
        let pruned = eliminate_dead_code(&elide_identities(&fold_zeros(graph)));
        if self == Self::TorchEager {
            return pruned;
        }
        let merged = merge_common_subexpressions(&eliminate_dead_code(&fold_constants(&pruned)));
        match self.onnx_runtime_block() {
            Some(block) => fuse_as_onnx_runtime(&merged, block),
            None => quantize_as_onnx_runtime(&merged),
        }
    }

    /// The network of one architecture as this runtime executes it.
    ///
    /// # Errors
    /// If the architecture is not one of the graph.
    pub fn subnet(self, supernet: &Graph, arch: &Arch) -> Result<LoweredNetwork, SelectError> {
        Ok(LoweredNetwork::of(self.lower(&eliminate_dead_code(&select(supernet, arch)?))))
    }
}
