//! Latency lookup tables.

mod error;

pub use error::LutError;
