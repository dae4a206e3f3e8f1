//! Stand-alone trainings of many networks: the lists of networks, the results, and their tables.
//!
//! A trial trains one network on its own from fresh weights. Its [`Record`] has the learning curve, the losses of all
//! batches and scores at initialisation. So methods that stop trainings early can be compared afterwards.

mod journal;
mod record;
mod spec;
mod table;

pub use crate::columns::TableError;
pub use journal::Journal;
pub use record::{Epoch, Outcome, Record};
pub use spec::{ListError, Trial, read_list};
pub use table::{read_table, write_table};
