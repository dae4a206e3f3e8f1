//! Runtimes: each determines which passes transform a graph before it runs.

use serde::{Deserialize, Serialize};

use crate::passes::{
    SelectError, elide_identities, eliminate_dead_code, fold_zeros, fuse_conv_batch_norm_activation,
    merge_common_subexpressions, select,
};
use crate::{Arch, Graph, LoweredNetwork};

/// The runtimes whose optimisers we follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runtime {
    /// libtorch, one operator after the other: what is in the pruned graph runs, nothing is fused.
    TorchEager,
    /// ONNX Runtime with its default graph optimisations.
    OnnxRuntime,
}

impl Runtime {
    /// Whether it makes one layer of several, so that what a layer costs depends on its neighbours.
    #[must_use]
    pub fn fuses(self) -> bool {
        match self {
            Self::TorchEager => false,
            Self::OnnxRuntime => true,
        }
    }

    /// The graph that this runtime executes for `graph` at inference.
    ///
    /// Zeros are folded first and dead code removed last, so that everything which only fed a zero goes as well; a
    /// fixed number of passes suffices because each works in topological order.
    #[must_use]
    pub fn lower(self, graph: &Graph) -> Graph {
        let pruned = eliminate_dead_code(&elide_identities(&fold_zeros(graph)));
        match self {
            Self::TorchEager => pruned,
            Self::OnnxRuntime => fuse_conv_batch_norm_activation(&merge_common_subexpressions(&pruned)),
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
