//! Reading a journal back, with every doubt an error.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::Event;

/// A journal of a few hours stays far below this.
const MAX_BYTES: u64 = 2 << 30;

/// A journal that cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A damaged line.
    #[error("line {line}: {problem}")]
    Damaged {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// No header, or one of another version.
    #[error("{0}")]
    Header(String),
    /// Another process writes to it.
    #[error("{0} is in use by another measurement")]
    InUse(String),
}

/// A journal's events.
#[derive(Debug)]
pub struct Recovered {
    /// In the order they were written.
    pub events: Vec<Event>,
    /// Bytes up to the end of the last whole line.
    pub valid_bytes: u64,
    /// Number of the line that was cut off while being written, if there is one.
    pub torn_line: Option<usize>,
}

#[derive(Deserialize)]
struct Line<'a> {
    sequence: u64,
    crc: &'a str,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// Reads a journal file.
///
/// # Errors
/// If it cannot be read or is damaged anywhere but in an unfinished last line.
pub fn read_file(path: &Path) -> Result<Recovered, JournalError> {
    read(&bytes(path)?)
}

/// As [`read_file`], to go on with it: a journal that ends with its header or within it holds nothing yet, and is begun anew,
/// whatever it was to hold.
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
    let fail = |source| JournalError::File { path: path.display().to_string(), source };
    let metadata = fs::metadata(path).map_err(fail)?;
    // A device or a pipe has no length and may have no end.
    if !metadata.is_file() {
        return Err(fail(std::io::Error::other("not a regular file")));
    }
    if metadata.len() > MAX_BYTES {
        return Err(fail(std::io::Error::other("the file is larger than 2 GiB")));
    }
    fs::read(path).map_err(fail)
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
    match recovered.events.first() {
        Some(Event::Header(header)) if header.format_version == 1 => Ok(recovered),
        Some(Event::Header(header)) => Err(JournalError::Header(format!(
            "format_version {} is not known (this version reads 1)",
            header.format_version
        ))),
        Some(_) => Err(JournalError::Header("the first line is not a header".to_owned())),
        None => Err(JournalError::Header("there is no header: nothing was measured".to_owned())),
    }
}

fn parse(text: &[u8], expected: u64) -> Result<Event, String> {
    let text = std::str::from_utf8(text).map_err(|_| "not UTF-8".to_owned())?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|e| format!("not a journal line: {e}"))?;
    if line.sequence != expected {
        return Err(format!("has sequence number {}, expected {expected}", line.sequence));
    }
    if checksum(line.sequence, line.event.get()) != line.crc {
        return Err("the checksum does not match".to_owned());
    }
    let event: Event = serde_json::from_str(line.event.get()).map_err(|e| format!("not a known event: {e}"))?;
    match event {
        Event::Workload { workload, role, graph } => {
            Ok(Event::Workload { workload, role, graph: graph.checked().map_err(|e| e.to_string())? })
        }
        Event::Trial { key, graph, result } => {
            Ok(Event::Trial { key, graph: graph.checked().map_err(|e| e.to_string())?, result })
        }
        event => Ok(event),
    }
}

/// CRC-32 of the sequence number and the event's text.
pub(super) fn checksum(sequence: u64, event: &str) -> String {
    format!("{:08x}", crc32fast::hash(format!("{sequence}:{event}").as_bytes()))
}
