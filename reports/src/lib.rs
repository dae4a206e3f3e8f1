//! What people look at: pictures of architectures, HTML reports, and event files for TensorBoard.
//!
//! This crate turns results into text and pictures and measures nothing. It is the only one that writes HTML.

mod charts;
mod comparison_report;
pub mod draw;
mod error;
mod file;
mod lut_report;
mod network;
mod page;
mod png;
mod search_report;
pub mod tensorboard;
pub mod text;
mod validation_report;

pub use comparison_report::comparison_report;
pub use error::ReportError;
pub use file::replace_file;
pub use lut_report::{lut_report, mode_name};
pub use png::Png;
pub use search_report::{AlphaRow, Metric, SearchRun, search_report};
pub use validation_report::{ResultRow, ValidationResult, validation_report};
