//! The back end on ONNX Runtime: networks are exported, optimised by the runtime, and timed as the runtime runs them.
//!
//! The library is not linked. It is found and loaded when a device with this back end is opened, so the program can start
//! without it.

mod device;
mod inputs;
mod int8_layers;
mod layers;
mod library;
mod memory;
mod model;
mod network;
mod npz;
mod provider;
mod session;
mod timed;

pub use device::OnnxRuntimeDevice;
pub use library::{Library, LibraryError};
