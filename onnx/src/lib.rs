//! Graphs as ONNX models: [`write`] and [`read`].
//!
//! Every operation is written, in operators of version 17, with the meaning that our libtorch back end gives it, and a
//! model is read only as far as our operations mean what it says. Files are the caller's business: models are bytes here.

mod error;
mod read;
mod schema;
mod write;

pub use error::OnnxError;
pub use read::read;
pub use write::{Weights, write};
