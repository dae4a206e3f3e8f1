//! HTML reports of LUTs, comparisons, validations and runs.
//!
//! This crate measures nothing. It is the only one that writes HTML.

mod comparison_report;
mod error;
mod lut_report;
mod model_report;
mod network;
mod page;
mod search_report;
mod validation_report;

pub use comparison_report::comparison_report;
pub use error::ReportError;
pub use lut_report::{context_line, lut_report, mode_name};
pub use model_report::{model_comparison, model_report};
pub use search_report::{AlphaRow, Metric, SearchRun, search_report};
pub use validation_report::validation_report;
