//! Once-for-all spaces (Cai et al. 2020): elastic kernel, depth, expansion and width as choices.
//!
//! A candidate does not own its weights: all candidates of a block name one place for each convolution's parameters and
//! use the first channels and the middle of the kernel of what is stored there. What [`KernelTransform`](super::KernelTransform)s make of the
//! middle is parameters of the space, not of the graph.

mod elastic;
mod mbv3;
mod resnet50;
mod xception;

pub use mbv3::OfaMbv3Spec;
pub use resnet50::OfaResnet50Spec;
pub use xception::OfaXceptionSpec;
