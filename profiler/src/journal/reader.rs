//! Reads a journal; anything unexpected is an error.

use std::io::Read;
use std::path::Path;

use super::error::JournalError;
use super::event::Event;
use super::line::{check_header, parse};
use super::stream::{open, read_file_with};

/// A journal's events.
#[derive(Debug)]
pub struct Recovered {
    /// In the order they were written.
    pub events: Vec<Event>,
    /// Bytes up to the end of the last whole line.
    pub valid_bytes: u64,
    /// Number of an incomplete last line, if there is one.
    pub torn_line: Option<usize>,
}

/// Reads a journal file.
///
/// # Errors
/// If it cannot be read or is damaged anywhere but in an unfinished last line.
pub fn read_file(path: &Path) -> Result<Recovered, JournalError> {
    let mut events = Vec::new();
    let read = read_file_with(path, |event| events.push(event))?;
    Ok(Recovered { events, valid_bytes: read.valid_bytes, torn_line: read.torn_line })
}

/// Like [`read_file`], for a resumed measurement. A journal without an event after its header counts as empty and starts
/// afresh, whatever its header says.
pub(super) fn read_to_resume(path: &Path) -> Result<Recovered, JournalError> {
    const BEGINNING: &[u8] = b"{\"sequence\":0,";
    let bytes = bytes(path)?;
    let recovered = whole_lines(&bytes)?;
    let unbegun = match &recovered.events[..] {
        [] => bytes.starts_with(BEGINNING) || BEGINNING.starts_with(&bytes),
        [only] => matches!(only, Event::Header(_)),
        _ => false,
    };
    if unbegun {
        return Ok(Recovered { events: Vec::new(), valid_bytes: 0, torn_line: (!bytes.is_empty()).then_some(1) });
    }
    with_header(recovered)
}

fn bytes(path: &Path) -> Result<Vec<u8>, JournalError> {
    let mut bytes = Vec::new();
    let read = open(path)?.read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|source| JournalError::File { path: path.display().to_string(), source })
}

/// Reads a journal from its bytes.
///
/// # Errors
/// If it is damaged anywhere but in an unfinished last line.
pub fn read(bytes: &[u8]) -> Result<Recovered, JournalError> {
    with_header(whole_lines(bytes)?)
}

fn whole_lines(bytes: &[u8]) -> Result<Recovered, JournalError> {
    let mut recovered = Recovered { events: Vec::new(), valid_bytes: 0, torn_line: None };
    for (i, line) in bytes.split_inclusive(|&b| b == b'\n').enumerate() {
        let Some(text) = line.strip_suffix(b"\n") else {
            recovered.torn_line = Some(i + 1);
            break;
        };
        let event = parse(text, i as u64).map_err(|problem| JournalError::Damaged { line: i + 1, problem })?;
        recovered.events.push(event);
        recovered.valid_bytes += line.len() as u64;
    }
    Ok(recovered)
}

fn with_header(recovered: Recovered) -> Result<Recovered, JournalError> {
    check_header(recovered.events.first()).map(|()| recovered)
}
