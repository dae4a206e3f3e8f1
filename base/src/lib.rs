//! Small parts that every other crate may use: replacing files, reading text that people write, numbers as text, statistics.
//!
//! Nothing here knows what is measured.

pub mod change_points;
pub mod config_text;
pub mod env_path;
mod replace;
pub mod statistics;
pub mod suggest;
pub mod text;
pub mod unique;

pub use replace::replace_file;
