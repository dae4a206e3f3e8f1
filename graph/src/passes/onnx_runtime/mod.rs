//! How ONNX Runtime lowers a network on processors: its fusions, and its choice of layout.
//!
//! Zeros around the operand of a convolution become its padding (`PadFusion`). Batch normalisation is fused into the
//! convolution before it (`ConvBNFusion`), then an activation (`ConvActivationFusion`). If the processor's convolutions
//! take blocks of channels, `NchwcTransformer` rewrites convolutions and the operations between them to that layout, fuses
//! one branch of a sum into the convolution of the other, and leaves copies where the layouts meet. The names are those of
//! the runtime's sources; the rules are checked against the models that the runtime writes with
//! `optimized_model_filepath`.

mod channels_last;
mod emit;
mod fusion;
mod int8;
mod layout;

use self::emit::Emitter;
use self::fusion::Fusion;
use self::layout::Layout;
use crate::Graph;

/// Quantizes to 8-bit integers as ONNX Runtime does: see `int8.rs` and `channels_last.rs`. The graph must be as for
/// [`fuse_as_onnx_runtime`], without integers.
#[must_use]
pub fn quantize_as_onnx_runtime(graph: &Graph) -> Graph {
    channels_last::choose(&int8::quantize(graph))
}

/// Fuses as ONNX Runtime does for a processor with blocks of `block` channels; 0 for the plain layout. The graph must
/// have no zeros to fold, no dead code and no two equal layers.
#[must_use]
pub fn fuse_as_onnx_runtime(graph: &Graph, block: usize) -> Graph {
    let mut fusion = Fusion::of(graph);
    fusion.pads();
    fusion.batch_norms();
    fusion.activations();
    if block == 0 {
        fusion.sums();
        return Emitter::plain(graph, &fusion.kernels);
    }
    let mut layout = Layout::new(graph, fusion, block);
    layout.choose();
    Emitter::blocked(graph, &layout, block)
}
