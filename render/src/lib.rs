//! Pictures: architectures and charts as SVG and PNG, and event files for TensorBoard.

pub mod charts;
pub mod diagram;
mod error;
mod file;
mod png;
pub mod tensorboard;

pub use error::RenderError;
pub use file::replace_file;
pub use png::Png;
