//! ONNX models: [`write`] exports graphs, [`read`] imports models.
//!
//! Export covers every operation, with operator set 17 and the semantics of the libtorch back end. Import accepts a
//! model only if every operator has an equivalent operation. Models are bytes here; callers handle files.

mod error;
mod names;
pub mod optimized;
pub mod profile;
mod read;
mod schema;
mod write;

pub use error::{OnnxError, Unsupported};
pub use names::{ModelNames, read_names};
pub use read::{InputShapes, read, read_with};
pub use write::{Floats, Weights, layer_of, write, write_in};
