//! Pictures: architectures and charts as SVG and PNG, event files for TensorBoard, and traces for Perfetto.

pub mod charts;
pub mod diagram;
mod error;
mod file;
mod png;
pub mod tensorboard;
pub mod trace;

pub use error::RenderError;
pub use file::replace_file;
pub use png::Png;
