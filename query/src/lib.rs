//! SQL over nasprof's files (LUTs, journals, validations, run folders) and over sampled architectures of spaces.
//!
//! Every file is read by nasprof's own readers, which check it; polars only sees tables in memory and is built without its
//! file readers and writers. A query can therefore read only the named files, and write nothing.

mod error;
mod job;
mod output;
mod query;
mod schema;
mod sources;
mod space_function;
mod sql;
mod tables;
mod taken;
mod wanted;

pub use error::{Problem, Reported};
pub use job::{Format, Job};
pub use query::run;
