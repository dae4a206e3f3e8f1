//! CSV (RFC 4180, with the liberties that spreadsheets take) and the columns of a LUT.

use serde_json::Value;

use super::json::{Tree, parse, same, set_version};

/// Parts of a row's JSON by the names of their columns.
const TIMES: [&str; 16] = [
    "mean_ns",
    "median_ns",
    "min_ns",
    "p10_ns",
    "p25_ns",
    "p75_ns",
    "p90_ns",
    "mad_ns",
    "ci_low_ns",
    "ci_high_ns",
    "n_places",
    "n_visits",
    "n_samples",
    "n_dropped",
    "sessions_ns",
    "reuse",
];
const ENERGY: [&str; 6] =
    ["energy_mj", "energy_low_mj", "energy_high_mj", "energy_idle_mj", "energy_resolution_mj", "energy_method"];
const TEXTS: [&str; 7] = ["key", "op", "attributes", "input_shapes", "mode", "error", "energy_method"];
/// Empty cells of these are empty texts, not absent ones.
const ALWAYS: [&str; 5] = ["key", "op", "attributes", "input_shapes", "mode"];
/// Written for readers, and not read.
const DERIVED: [&str; 2] = ["between", "count"];

/// Refuses a LUT that was read from CSV as something else.
pub fn lut(text: &str, lut: &nasprof_lut::Lut) -> Result<(), String> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let context = parse(first.strip_prefix("# nasprof ").ok_or("no context")?)?;
    let mut value = serde_json::to_value(&lut.context).map_err(|e| e.to_string())?;
    set_version(&context, &mut value);
    same(&context, &value, true)?;
    let mut records = records(rest).into_iter();
    let header = records.next().ok_or("no header")?;
    let records: Vec<Vec<String>> = records.collect();
    if records.len() != lut.rows.len() {
        return Err(format!("{} records were read as {} rows", records.len(), lut.rows.len()));
    }
    for (i, (record, row)) in records.iter().zip(&lut.rows).enumerate() {
        let value = serde_json::to_value(row).map_err(|e| e.to_string())?;
        for (name, cell) in header.iter().zip(record) {
            let about = |problem: String| format!("record {}, column {name}: {problem}", i + 1);
            same_cell(name, cell, &value).map_err(about)?;
        }
    }
    Ok(())
}

fn same_cell(name: &str, cell: &str, row: &Value) -> Result<(), String> {
    if DERIVED.contains(&name) {
        return Ok(());
    }
    let part = if TIMES.contains(&name) {
        &row["times"]
    } else if ENERGY.contains(&name) {
        &row["energy"]
    } else {
        row
    };
    let tree = match cell {
        "" if !ALWAYS.contains(&name) => Tree::Null,
        _ if TEXTS.contains(&name) => Tree::Text(cell.to_owned()),
        _ => parse(cell)?,
    };
    same(&tree, &part[name], true)
}

/// Records of fields. A quote counts at the beginning of a field only; empty lines are none.
fn records(text: &str) -> Vec<Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    // Whether the field began with a quote that is still open; whether anything of the field was there.
    let (mut quoted, mut begun) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted => {
                if characters.peek() == Some(&'"') {
                    characters.next();
                    field.push('"');
                } else {
                    quoted = false;
                }
            }
            any if quoted => field.push(any),
            '"' if !begun => (quoted, begun) = (true, true),
            ',' => {
                record.push(std::mem::take(&mut field));
                begun = false;
            }
            '\n' | '\r' => {
                if begun || !record.is_empty() {
                    record.push(std::mem::take(&mut field));
                    records.push(std::mem::take(&mut record));
                }
                begun = false;
            }
            any => {
                field.push(any);
                begun = true;
            }
        }
    }
    if begun || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}
