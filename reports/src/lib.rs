//! What people look at: pictures of architectures, HTML reports, and event files for TensorBoard.
//!
//! This crate turns results into text and pictures and measures nothing. It is the only one that writes HTML.

mod error;
mod png;
pub mod tensorboard;

pub use error::ReportError;
pub use png::Png;
