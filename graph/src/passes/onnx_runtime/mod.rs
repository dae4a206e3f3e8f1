//! What ONNX Runtime makes of a network on processors: its fusions, and its choice of layout.
//!
//! Zeros around the operand of a convolution become its padding (`PadFusion`). Batch normalisation goes into the convolution before it (`ConvBNFusion`), then an activation (`ConvActivationFusion`). Where
//! the processor's convolutions take blocks of channels, `NchwcTransformer` rewrites convolutions and what stands between them
//! to that layout, adds one branch of a sum into the convolution of the other, and leaves copies between the layouts where
//! they meet. The names are those of the runtime's sources; the rules are checked against what the runtime itself writes with
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

/// What ONNX Runtime makes of a network in 8-bit integers: see `int8.rs` and `channels_last.rs`. The graph is as for
/// [`fuse_as_onnx_runtime`], and has no integers yet.
#[must_use]
pub fn quantize_as_onnx_runtime(graph: &Graph) -> Graph {
    channels_last::choose(&int8::quantize(graph))
}

/// Fuses as ONNX Runtime does for a processor with blocks of so many channels; 0: in the plain layout. The graph has no zeros
/// to fold, no dead code and no two equal layers.
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
