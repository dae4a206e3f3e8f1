//! ONNX models: [`write`] exports graphs, [`read`] imports models.
//!
//! Export covers every operation, with operator set 17 and the semantics of the libtorch back end. Import accepts a
//! model only if every operator has an equivalent operation. Models are bytes here; callers handle files.

mod error;
pub mod optimized;
pub mod profile;
mod read;
mod schema;
mod write;

pub use error::OnnxError;
pub use read::read;
pub use write::{Weights, layer_of, write};
