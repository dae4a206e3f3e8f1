//! The static graph on which all of nasprof is built.
//!
//! A search space, a sampled network and a discovered architecture are all a [`Graph`]. LUT keys, pruning, static
//! costs and the runtime's program come from it, and nothing describes a network a second time. This crate does no I/O
//! and depends on no runtime library; [`runtime::Runtime`] only states which passes a runtime's optimiser would apply.

pub mod arch;
pub mod arch_reader;
pub mod builder;
pub mod cost;
pub mod custom;
pub mod digest;
pub mod distribution;
mod error;
pub mod expectation;
mod graph;
mod infer;
pub mod key;
mod lowered;
pub mod memory;
mod op;
pub mod outline;
pub mod parameters;
pub mod passes;
mod reuse;
pub mod runtime;
pub mod selector;
mod shape;

pub use arch::{Arch, Choice};
pub use builder::GraphBuilder;
pub use digest::Identity;
pub use error::{GraphError, GraphErrorKind};
pub use graph::{Graph, MAX_NODES, Node, NodeId};
pub use key::LayerKey;
pub use lowered::{LoweredLayer, LoweredNetwork};
pub use memory::Overhead;
pub use op::{Activation, Cell, Function, Op, PadMode, Padding, Reduction, ResizeMode};
pub use shape::Shape;
