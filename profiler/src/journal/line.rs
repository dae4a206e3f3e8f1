//! One line of a journal: its number, its checksum, and the event.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::JournalError;
use super::event::Event;
use crate::protocol::Visit;

#[derive(Deserialize)]
struct Line<'a> {
    sequence: u64,
    crc: &'a str,
    #[serde(borrow)]
    event: &'a RawValue,
}

/// [`Event::Visit`] as written. Most lines of a journal are visits, and this type parses faster than the tagged enum.
#[derive(Deserialize)]
struct VisitLine<'a> {
    #[serde(rename = "event")]
    _event: &'a str,
    round: u32,
    visit: Visit,
}

/// Prefix of a visit's event text.
const VISIT: &str = "{\"event\":\"visit\",";

/// Parses a line without its newline; its number must be `expected`.
pub(super) fn parse(text: &[u8], expected: u64) -> Result<Event, String> {
    let text = std::str::from_utf8(text).map_err(|_| "not UTF-8".to_owned())?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|e| format!("not a journal line: {e}"))?;
    if line.sequence != expected {
        return Err(format!("has sequence number {}, expected {expected}", line.sequence));
    }
    if checksum(line.sequence, line.event.get()) != line.crc {
        return Err("the checksum does not match".to_owned());
    }
    match event(line.event.get()).map_err(|e| format!("not a known event: {e}"))? {
        Event::Workload { workload, role, graph } => {
            Ok(Event::Workload { workload, role, graph: graph.checked().map_err(|e| e.to_string())? })
        }
        Event::Trial { key, graph, result } => {
            Ok(Event::Trial { key, graph: graph.checked().map_err(|e| e.to_string())?, result })
        }
        event => Ok(event),
    }
}

/// Checks that the first event of a journal is a header of a known version.
pub(super) fn check_header(first: Option<&Event>) -> Result<(), JournalError> {
    match first {
        Some(Event::Header(header)) if header.format_version == 1 => Ok(()),
        Some(Event::Header(header)) => Err(JournalError::Header(format!(
            "format_version {} is not known (this version reads 1)",
            header.format_version
        ))),
        Some(_) => Err(JournalError::Header("the first line is not a header".to_owned())),
        None => Err(JournalError::Header("the journal is empty: nothing was measured".to_owned())),
    }
}

fn event(text: &str) -> serde_json::Result<Event> {
    if text.starts_with(VISIT) {
        let VisitLine { round, visit, .. } = serde_json::from_str(text)?;
        return Ok(Event::Visit { round, visit });
    }
    serde_json::from_str(text)
}

/// CRC-32 of the sequence number and the event's text.
pub(super) fn checksum(sequence: u64, event: &str) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(format!("{sequence}:").as_bytes());
    hasher.update(event.as_bytes());
    format!("{:08x}", hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Visits that are written by hand are what the choice by the tag makes of them, or refused as by it.
    #[test]
    fn a_visit_is_read_as_any_event_is() {
        let run = r#"{"ns":[1,18446744073709551615],"switches":0,"faults":3}"#;
        let visit = format!(r#"{{"sequence":7,"unit":2,"layers":[{run},{run}],"whole":[]}}"#);
        let good = [
            format!(r#"{{"event":"visit","round":3,"visit":{visit}}}"#),
            format!(r#"{{"event":"visit","visit":{visit},"other":[{{}}],"round":3}}"#),
            format!(r#"{{"round":3,"event":"visit","visit":{visit}}}"#),
        ];
        let read: Vec<Event> = good.iter().map(|text| event(text).expect(text)).collect();
        assert!(matches!(&read[0], Event::Visit { round: 3, visit } if visit.layers[1].ns[1] == u64::MAX));
        for (text, read) in good.iter().zip(&read) {
            assert_eq!(read, &serde_json::from_str(text).expect(text));
            assert_eq!(read, &read.clone());
        }
        for bad in [
            format!(r#"{{"event":"visit","round":3,"round":3,"visit":{visit}}}"#),
            format!(r#"{{"event":"visit","event":"visit","round":3,"visit":{visit}}}"#),
            format!(r#"{{"event":"visit","round":-1,"visit":{visit}}}"#),
            format!(r#"{{"event":"visit","round":4294967296,"visit":{visit}}}"#),
            format!(r#"{{"event":"visit","round":1.5,"visit":{visit}}}"#),
            r#"{"event":"visit","round":3}"#.to_owned(),
            r#"{"event":"visit","round":3,"visit":null}"#.to_owned(),
        ] {
            assert!(event(&bad).is_err() && serde_json::from_str::<Event>(&bad).is_err(), "{bad}");
        }
    }
}
