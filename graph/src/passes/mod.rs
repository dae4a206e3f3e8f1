//! Graph passes: pure functions from graph to graph that compose freely.
//!
//! The runtime determines which passes apply: see [`crate::runtime`].

mod common_subexpression;
mod constant_folding;
mod dead_code;
mod fusion;
mod identity;
mod onnx_runtime;
mod rewrite;
mod select;
mod zero_folding;

pub use common_subexpression::merge_common_subexpressions;
pub use constant_folding::fold_constants;
pub use dead_code::eliminate_dead_code;
pub use fusion::fuse_conv_batch_norm_activation;
pub use identity::elide_identities;
pub(crate) use identity::forwards_input;
pub use onnx_runtime::{fuse_as_onnx_runtime, quantize_as_onnx_runtime};
pub use select::{SelectError, select};
pub(crate) use zero_folding::ZeroWhen;
pub use zero_folding::fold_zeros;
