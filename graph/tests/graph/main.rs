//! Tests of shapes, costs and the passes of runtimes, in one program: it is linked once, and its tests run on all processors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checked;
mod costs;
mod duplicate_names;
mod onnx_runtime;
mod pruning;
