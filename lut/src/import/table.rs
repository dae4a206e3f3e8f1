//! CSV with nasprof's keys: scripts can convert any other table to it.

use nasprof_graph::LayerKey;

use super::entry::{Entry, bounded};
use super::error::ImportError;
use super::format::Unit;

/// Reads the entries and their unit.
pub(super) fn read(text: &str, asked: Option<Unit>) -> Result<(Vec<Entry>, Unit), ImportError> {
    let mut reader = csv::ReaderBuilder::new().delimiter(separator(text)).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| ImportError::Format(e.to_string()))?.clone();
    let position = |found: &dyn Fn(&str) -> bool| header.iter().position(|name| found(name.trim()));
    let key =
        position(&|name| name == "key").ok_or_else(|| ImportError::Format("line 1: no column `key`".to_owned()))?;
    let latency = position(&|name| name == "latency" || unit_of(name).is_some())
        .ok_or_else(|| ImportError::Format("line 1: no column `latency`, `latency_ms`, `latency_us`, …".to_owned()))?;
    let unit = match (header.get(latency).and_then(|name| unit_of(name.trim())), asked) {
        (Some(column), Some(asked)) if column != asked => {
            return Err(ImportError::Units { column: column.name(), asked: asked.name() });
        }
        (column, asked) => column.or(asked).ok_or(ImportError::Unit)?,
    };
    let mut entries = Vec::new();
    for (i, record) in reader.records().enumerate() {
        let place = format!("line {}", i + 2);
        let record = record.map_err(|e| ImportError::Format(format!("{place}: {e}")))?;
        let cell = |column: usize| record.get(column).unwrap_or_default().trim();
        entries.push(Entry::new(Ok(LayerKey(cell(key).to_owned())), cell(latency), &place)?);
    }
    Ok((bounded(entries)?, unit))
}

/// The separator of the first line's columns: in some locales, programs write a semicolon.
fn separator(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    [b',', b';', b'\t'].into_iter().find(|&byte| header.as_bytes().contains(&byte)).unwrap_or(b',')
}

fn unit_of(column: &str) -> Option<Unit> {
    Unit::named(column.strip_prefix("latency_")?)
}
