//! The journal of a measurement: every observation as one JSON line, appended as it arrives.
//!
//! A line is `{"sequence":N,"crc":"xxxxxxxx","event":{…}}`; the CRC-32 covers `N:` and the event's text as written. The
//! first event is always [`Event::Header`]. A LUT is a pure function of its journal, and an interrupted measurement
//! continues from it. A last line without a newline is incomplete: it is dropped with a message. Any other damage is an
//! error with its line number.

mod error;
mod event;
mod line;
mod reader;
mod replaced;
mod stream;
mod writer;

pub use error::JournalError;
pub use event::{EndReason, EnergyResult, EnergyTarget, Event, Header, Mode, Role, Shard, Trial};
pub use reader::{Recovered, read, read_file};
pub use replaced::Replaced;
pub use stream::{ReadTo, read_file_with};
pub use writer::Writer;
