//! Readers that are written to be right and not fast, and share no code with those that they check.

mod csv;
mod graph;
mod journal;
mod json;
mod runs;

pub use csv::lut as csv_lut;
pub use graph::recount;
pub use journal::{crc32, events};
pub use json::{Tree, lut as json_lut, parse, same};
pub use runs::runs;
