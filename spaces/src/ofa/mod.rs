//! Once-for-all spaces (Cai et al. 2020): elastic kernel, depth, expansion and width as choices.
//!
//! Candidates share weights: all candidates of a block use the same parameters for each convolution and take the first
//! channels and the middle of the kernel. The matrices of [`KernelTransform`](super::KernelTransform) are parameters
//! of the space, not of the graph.

mod elastic;
mod mbv3;
mod resnet50;
mod xception;

pub use mbv3::OfaMbv3Spec;
pub use resnet50::OfaResnet50Spec;
pub use xception::OfaXceptionSpec;
