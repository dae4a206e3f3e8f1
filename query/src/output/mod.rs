//! Answers: for people, for programs, in files.

mod cell;
mod parquet_file;
mod table;

use std::io::Write;
use std::path::Path;

use nasprof_base::replace_file;
use polars::prelude::DataFrame;
use serde::Serializer as _;
use serde::ser::SerializeMap;

use self::cell::Cell;
use crate::error::Problem;
use crate::job::{Format, Job};

/// Prints an answer. A reader that has seen enough (a closed pipe) is no error.
pub(crate) fn print(answer: &DataFrame, job: &Job, printed: &mut impl Write) -> Result<(), Problem> {
    let text = match job.format {
        Format::Table => table::text(answer, job.rows, job.width),
        Format::Json => json(answer)?,
        // On a terminal nothing of a file's may steer it; elsewhere it is data.
        Format::Csv if job.width.is_some() => nasprof_base::text::printable(&csv(answer)?),
        Format::Csv => csv(answer)?,
    };
    match printed.write_all(text.as_bytes()).and_then(|()| printed.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Problem::Print),
    }
}

/// Writes an answer into a file, by its ending; it is replaced whole or left as it was.
pub(crate) fn write(answer: &DataFrame, path: &Path) -> Result<(), Problem> {
    let about = |problem: String| Problem::Output { path: path.display().to_string(), problem };
    let bytes = match path.extension().and_then(|ending| ending.to_str()) {
        Some("parquet") => parquet_file::encode(answer).map_err(about)?,
        Some("csv") => csv(answer)?.into_bytes(),
        Some("json" | "jsonl") => json(answer)?.into_bytes(),
        _ => return Err(about("its ending is not .parquet, .csv, .json or .jsonl".to_owned())),
    };
    replace_file(path, &bytes).map_err(|e| about(e.to_string()))
}

/// All rows, cell by cell.
fn rows(answer: &DataFrame) -> impl Iterator<Item = Vec<(&str, Cell)>> {
    let columns = answer.columns();
    (0..answer.height()).map(move |row| {
        let cell = |column: &polars::prelude::Column| column.get(row).map_or(Cell::Null, |value| Cell::of(&value));
        columns.iter().map(|column| (column.name().as_str(), cell(column))).collect()
    })
}

/// An object a row, each on a line. What a terminal would not show is escaped, which is the same value.
fn json(answer: &DataFrame) -> Result<String, Problem> {
    let mut text = String::new();
    for row in rows(answer) {
        let mut line = serde_json::Serializer::new(Vec::new());
        let written = line.serialize_map(Some(row.len())).and_then(|mut map| {
            row.iter().try_for_each(|(name, cell)| map.serialize_entry(name, cell))?;
            map.end()
        });
        written.map_err(|e| Problem::Internal(e.to_string()))?;
        cell::push_escaped(&mut text, &String::from_utf8_lossy(&line.into_inner()));
        text.push('\n');
    }
    Ok(text)
}

fn csv(answer: &DataFrame) -> Result<String, Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let internal = |e: csv::Error| Problem::Internal(e.to_string());
    writer.write_record(answer.get_column_names().iter().map(|name| name.as_str())).map_err(internal)?;
    for row in rows(answer) {
        writer.write_record(row.iter().map(|(_, cell)| cell.exact())).map_err(internal)?;
    }
    let bytes = writer.into_inner().map_err(|e| Problem::Internal(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| Problem::Internal(e.to_string()))
}
