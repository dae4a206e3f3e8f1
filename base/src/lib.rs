//! Small parts that every other crate may use: atomic file replacement, configuration text, number formats,
//! statistics.
//!
//! This crate knows nothing about measuring.

mod caught;
pub mod change_points;
pub mod config_text;
pub mod env_path;
pub mod intervals;
pub mod libraries;
mod patience;
pub mod ranks;
mod replace;
pub mod statistics;
pub mod suggest;
pub mod text;
mod two_parts;
pub mod unique;
pub mod variances;

pub use caught::{caught, caught_with_reason};
pub use patience::{KILLED, is_over_within};
pub use replace::{check_replaceable, replace_file, replace_file_by, temporary};
pub use two_parts::{Whole, two_parts};
