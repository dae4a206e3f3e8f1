//! CSV: the context as JSON in a comment line, a header, then one line for each row.

use serde_json::Value;

use super::columns::{COLUMNS, Kind, are_columns, row, values};
use crate::{Context, Lut};

const CONTEXT: &str = "# nasprof ";

pub(super) fn encode(lut: &Lut) -> Result<Vec<u8>, String> {
    let context = serde_json::to_string(&lut.context).map_err(|e| e.to_string())?;
    let mut writer = csv::Writer::from_writer(format!("{CONTEXT}{context}\n").into_bytes());
    writer.write_record(COLUMNS.map(|(name, _)| name)).map_err(|e| e.to_string())?;
    for row in &lut.rows {
        let cells = values(row)?.into_iter().map(|value| match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        });
        writer.write_record(cells).map_err(|e| e.to_string())?;
    }
    writer.into_inner().map_err(|e| e.to_string())
}

pub(super) fn decode(bytes: &[u8]) -> Result<Lut, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the file is not UTF-8 text".to_owned())?;
    let (first, table) = text.split_once('\n').unwrap_or((text, ""));
    let context = first.strip_prefix(CONTEXT).ok_or("the first line is not `# nasprof {…}`")?;
    let context: Context = serde_json::from_str(context).map_err(|e| format!("line 1: {e}"))?;
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let header = reader.headers().map_err(|e| e.to_string())?;
    if !are_columns(header.iter()) {
        return Err("line 2: these are not the columns of a LUT".to_owned());
    }
    let mut rows = Vec::new();
    for (i, record) in reader.records().enumerate() {
        let about = |e: String| format!("line {}: {e}", i + 3);
        let record = record.map_err(|e| about(e.to_string()))?;
        let cells = COLUMNS.iter().zip(record.iter()).map(|((name, kind), cell)| cell_value(name, *kind, cell));
        let cells = cells.collect::<Result<Vec<_>, _>>().map_err(about)?;
        rows.push(row(cells).map_err(about)?);
    }
    Ok(Lut { context, rows })
}

/// Empty cells are absent values, except for the texts that every row has.
fn cell_value(name: &str, kind: Kind, cell: &str) -> Result<Value, String> {
    let always = ["key", "op", "attributes", "input_shapes", "mode", "flags"];
    if cell.is_empty() && !always.contains(&name) {
        return Ok(Value::Null);
    }
    match kind {
        Kind::Text => Ok(Value::String(cell.to_owned())),
        Kind::Real | Kind::Whole => {
            serde_json::from_str(cell).map_err(|_| format!("column {name}: `{cell}` is not a number"))
        }
    }
}
