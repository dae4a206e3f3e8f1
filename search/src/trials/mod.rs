//! Stand-alone trainings of many networks: what is asked for, what comes out, and the tables of it.
//!
//! A trial is one network trained by itself from fresh weights. Its [`Record`] has the learning curve, the losses of all
//! batches and scores at initialisation, so that methods which stop trainings early can be compared afterwards.

mod journal;
mod record;
mod spec;
mod table;

pub use crate::columns::TableError;
pub use journal::Journal;
pub use record::{Epoch, Outcome, Record};
pub use spec::{ListError, Trial, read_list};
pub use table::{read_table, write_table};
