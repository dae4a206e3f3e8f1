//! Rows as columns: the common description of CSV and Parquet.

use serde_json::{Map, Value, json};

use crate::Row;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text; lists are JSON text.
    Text,
    /// 64-bit float.
    Real,
    /// Whole number.
    Whole,
}

use Kind::{Real, Text, Whole};

/// Columns of files that were written before energy, stored memory and launches were measured; they are read as well.
const OLDER: [usize; 3] = [30, 36, 37];

/// All columns in order. In a failed row, the columns after `error` up to `reuse` are empty.
pub(super) const COLUMNS: [(&str, Kind); 38] = [
    ("key", Text),
    ("op", Text),
    ("attributes", Text),
    ("input_shapes", Text),
    ("mode", Text),
    ("error", Text),
    ("mean_ns", Real),
    ("median_ns", Real),
    ("min_ns", Real),
    ("p10_ns", Real),
    ("p25_ns", Real),
    ("p75_ns", Real),
    ("p90_ns", Real),
    ("mad_ns", Real),
    ("ci_low_ns", Real),
    ("ci_high_ns", Real),
    ("n_places", Whole),
    ("n_visits", Whole),
    ("n_samples", Whole),
    ("n_dropped", Whole),
    ("sessions_ns", Text),
    ("reuse", Text),
    ("flags", Text),
    ("params", Whole),
    ("macs", Whole),
    ("bytes", Whole),
    ("peak_memory_bytes", Whole),
    ("first_call_ns", Whole),
    ("between", Real),
    ("count", Whole),
    ("energy_mj", Real),
    ("energy_low_mj", Real),
    ("energy_high_mj", Real),
    ("energy_idle_mj", Real),
    ("energy_resolution_mj", Real),
    ("energy_method", Text),
    ("stored_bytes", Whole),
    ("launch_ns", Real),
];

/// Columns of [`crate::Times`].
const TIMES: std::ops::Range<usize> = 6..22;
/// Columns of [`crate::Energy`].
const ENERGY: std::ops::Range<usize> = 30..36;
/// Columns that are lists.
const LISTS: [&str; 3] = ["sessions_ns", "reuse", "flags"];
/// Columns that are derived from others: written for readers, not read back.
const DERIVED: std::ops::Range<usize> = 28..30;

/// A row's values in the order of [`COLUMNS`]; absent values are null.
pub(super) fn values(row: &Row) -> Result<Vec<Value>, String> {
    let mut object = match serde_json::to_value(row).map_err(|e| e.to_string())? {
        Value::Object(object) => object,
        _ => return Err("a row is not an object".to_owned()),
    };
    for part in ["times", "energy"] {
        if let Some(Value::Object(values)) = object.remove(part) {
            object.extend(values);
        }
    }
    object.insert("between".to_owned(), json!(row.times.as_ref().and_then(crate::Times::between)));
    object.insert("count".to_owned(), json!(row.times.as_ref().map(|t| t.n_samples)));
    let value = |(name, _): &(&str, Kind)| match object.remove(*name).unwrap_or(Value::Null) {
        list @ Value::Array(_) => Value::String(list.to_string()),
        other => other,
    };
    Ok(COLUMNS.iter().map(value).collect())
}

/// The row with these values.
pub(super) fn row(values: Vec<Value>) -> Result<Row, String> {
    let mut row = Map::new();
    let mut times = Map::new();
    let mut energy = Map::new();
    for (i, ((name, _), value)) in COLUMNS.iter().zip(values).enumerate() {
        if DERIVED.contains(&i) {
            continue;
        }
        let value = match value {
            Value::String(text) if LISTS.contains(name) => {
                serde_json::from_str(&text).map_err(|e| format!("column {name}: {e}"))?
            }
            other => other,
        };
        let part = if TIMES.contains(&i) {
            &mut times
        } else if ENERGY.contains(&i) {
            &mut energy
        } else {
            &mut row
        };
        part.insert((*name).to_owned(), value);
    }
    for (name, part) in [("times", times), ("energy", energy)] {
        let absent = part.values().all(Value::is_null);
        row.insert(name.to_owned(), if absent { Value::Null } else { Value::Object(part) });
    }
    serde_json::from_value(Value::Object(row)).map_err(|e| e.to_string())
}

/// Whether a file has the columns of a LUT, of this or of an older version.
pub(super) fn are_columns<'a>(names: impl Iterator<Item = &'a str> + Clone) -> bool {
    let all = || COLUMNS.iter().map(|(name, _)| *name);
    names.clone().eq(all()) || OLDER.iter().any(|&count| names.clone().eq(all().take(count)))
}
