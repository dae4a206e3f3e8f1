//! Journals as bytes, and, behind the checksums that stop nearly every change, as events.

use nasprof_lut::from_journal;
use nasprof_profiler::journal::{Event, read};

use super::measured::events as measured;
use crate::slow;

pub(super) fn lines(data: &[u8]) {
    let Ok(recovered) = read(data) else { return };
    slow::events(data, &recovered.events).expect("the slow reader agrees");
    used(&recovered.events);
}

/// Each line is an event; number and checksum are put around it.
pub(super) fn events(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let bytes = framed(text.lines());
    lines(bytes.as_bytes());
}

/// Whatever a journal holds, a LUT is made of it or refused, and a LUT has no value that was not measured.
fn used(events: &[Event]) {
    let Ok(lut) = from_journal(events) else { return };
    for times in lut.rows.iter().filter_map(|row| row.times.as_ref()) {
        assert!(times.mean_ns.is_finite() && times.mean_ns > 0.0);
    }
}

fn framed<'a>(events: impl Iterator<Item = &'a str>) -> String {
    let line = |(i, event): (usize, &str)| {
        let crc = slow::crc32(format!("{i}:{event}").as_bytes());
        format!("{{\"sequence\":{i},\"crc\":\"{crc:08x}\",\"event\":{event}}}\n")
    };
    events.enumerate().map(line).collect()
}

/// A few events of each kind, so that the input stays small.
fn few() -> Vec<String> {
    let mut kept: Vec<&Event> = Vec::new();
    for event in measured() {
        let alike =
            kept.iter().filter(|other| std::mem::discriminant(**other) == std::mem::discriminant(event)).count();
        // Units before and after belong together.
        if alike < 6 {
            kept.push(event);
        }
    }
    kept.iter().map(|event| serde_json::to_string(event).expect("an event is written")).collect()
}

pub(super) fn line_seeds() -> Vec<Vec<u8>> {
    vec![framed(few().iter().map(String::as_str)).into_bytes()]
}

pub(super) fn event_seeds() -> Vec<Vec<u8>> {
    vec![few().join("\n").into_bytes()]
}
