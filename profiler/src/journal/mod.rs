//! The journal of a measurement: everything that was observed, one JSON line each, appended as it arrives.
//!
//! A line is `{"sequence":N,"crc":"xxxxxxxx","event":{…}}`; the CRC-32 is that of `N:` and the event's text as written.
//! The first event is always [`Event::Header`]. A LUT is a pure function of its journal, and an interrupted measurement
//! goes on from it. A last line without its line end was cut off while being written: it is dropped, and said so. Any
//! other damage is refused with its line number.

mod event;
mod reader;
mod writer;

pub use event::{EndReason, EnergyResult, EnergyTarget, Event, Header, Mode, Role, Share, Trial};
pub use reader::{JournalError, Recovered, read, read_file};
pub use writer::Writer;
