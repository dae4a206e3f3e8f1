//! Search spaces: a supernet graph with its choices, built from a TOML description.
//!
//! Each family is a file or folder with the type of its description and the network that it builds. Families depend on
//! [`Space`] and [`SpaceError`]; only [`SpaceSpec`] depends on the families.

pub mod blocks;
mod builtin;
mod checks;
pub mod darts;
mod error;
mod kernel_transform;
mod mobilenet;
mod nasbench201;
mod ofa;
mod random_wired;
mod space;
mod spec;
mod zoph;

pub use builtin::{builtin_names, builtin_text};
pub use darts::DartsSpec;
pub use error::SpaceError;
pub use kernel_transform::KernelTransform;
pub use mobilenet::MobilenetSpec;
pub use nasbench201::Nasbench201Spec;
pub use ofa::{OfaMbv3Spec, OfaResnet50Spec, OfaXceptionSpec};
pub use random_wired::{RandomWiredSpec, VertexOperation};
pub use space::Space;
pub use spec::{SpaceSpec, kinds};
pub use zoph::{ZophCell, ZophOperation, ZophSpec};
