//! The one static graph that everything in nasprof derives from.
//!
//! A search space, a sampled network and a discovered architecture are all a [`Graph`]: LUT keys, pruning, static
//! costs and what a runtime executes come from it, and nothing re-describes a network. This crate does no I/O and
//! knows no runtime library; [`runtime::Runtime`] only says which passes a runtime's own optimiser would apply.

pub mod arch;
pub mod blocks;
pub mod builder;
pub mod config_text;
pub mod cost;
pub mod custom;
pub mod distribution;
mod error;
pub mod expectation;
mod graph;
mod infer;
pub mod key;
pub mod memory;
pub mod onnx;
mod op;
pub mod outline;
pub mod parameters;
pub mod passes;
pub mod protobuf;
pub mod reuse;
pub mod runtime;
pub mod selector;
mod shape;
pub mod spaces;
pub mod suggest;
mod unique;

pub use arch::{Arch, Choice};
pub use builder::GraphBuilder;
pub use error::{GraphError, GraphErrorKind};
pub use graph::{Graph, Node, NodeId};
pub use key::LayerKey;
pub use memory::Overhead;
pub use op::{Activation, Op, Padding, ResizeMode};
pub use shape::Shape;
pub use spaces::Space;
