//! Rows as columns: the one description that CSV and Parquet share.

use serde_json::{Map, Value, json};

use crate::Row;

/// What a column holds.
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

/// All columns in their order. Those after `error` up to `reuse` are empty in a failed row.
pub(super) const COLUMNS: [(&str, Kind); 30] = [
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
];

/// Columns of [`crate::Times`].
const TIMES: std::ops::Range<usize> = 6..22;
/// Columns that are lists.
const LISTS: [&str; 3] = ["sessions_ns", "reuse", "flags"];
/// Columns that follow from the others: written for readers, not read back.
const DERIVED: std::ops::Range<usize> = 28..30;

/// A row's values in the order of [`COLUMNS`]; absent values are null.
pub(super) fn values(row: &Row) -> Result<Vec<Value>, String> {
    let mut object = match serde_json::to_value(row).map_err(|e| e.to_string())? {
        Value::Object(object) => object,
        _ => return Err("a row is not an object".to_owned()),
    };
    if let Some(Value::Object(times)) = object.remove("times") {
        object.extend(times);
    }
    object.insert("between".to_owned(), json!(row.times.as_ref().and_then(crate::Times::between)));
    object.insert("count".to_owned(), json!(row.times.as_ref().map(|t| t.n_samples)));
    let value = |(name, _): &(&str, Kind)| match object.remove(*name).unwrap_or(Value::Null) {
        list @ Value::Array(_) => Value::String(list.to_string()),
        other => other,
    };
    Ok(COLUMNS.iter().map(value).collect())
}

/// The row of such values.
pub(super) fn row(values: Vec<Value>) -> Result<Row, String> {
    let mut row = Map::new();
    let mut times = Map::new();
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
        if TIMES.contains(&i) { &mut times } else { &mut row }.insert((*name).to_owned(), value);
    }
    let absent = times.values().all(Value::is_null);
    row.insert("times".to_owned(), if absent { Value::Null } else { Value::Object(times) });
    serde_json::from_value(Value::Object(row)).map_err(|e| e.to_string())
}
