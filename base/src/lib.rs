//! Small parts that every other crate may use: replacing files, reading text that people write, numbers as text, statistics.
//!
//! Nothing here knows what is measured.

mod caught;
pub mod change_points;
pub mod config_text;
mod replace;
pub mod statistics;
pub mod suggest;
pub mod text;
pub mod unique;

pub use caught::caught;
pub use replace::replace_file;
