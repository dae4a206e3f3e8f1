//! Answers: for people, for programs, in files.

mod cell;
mod parquet_file;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use nasprof_base::text::printable;
use nasprof_base::{check_replaceable, replace_file_by};
use polars::prelude::DataFrame;
use serde::Serializer as _;
use serde::ser::SerializeMap;

use self::cell::Cell;
use crate::error::Problem;
use crate::job::{Format, Job};

/// How an answer is written into a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    Parquet,
    Csv,
    Json,
}

impl Ending {
    /// From the name of a file; checks before the work that the file can be written.
    pub(crate) fn of(path: &Path) -> Result<Self, Problem> {
        let about = |problem: String| Problem::Output { path: path.display().to_string(), problem };
        let ending = match path.extension().and_then(|ending| ending.to_str()) {
            Some("parquet") => Self::Parquet,
            Some("csv") => Self::Csv,
            Some("json" | "jsonl") => Self::Json,
            _ => return Err(about("its extension is not .parquet, .csv, .json or .jsonl".to_owned())),
        };
        check_replaceable(path).map_err(|e| about(e.to_string()))?;
        Ok(ending)
    }
}

/// Prints an answer. A closed pipe is no error. `height` is the number of rows; `answer` may lack rows that a table
/// does not show.
pub(crate) fn print(answer: &DataFrame, height: usize, job: &Job, printed: &mut impl Write) -> Result<(), Problem> {
    let mut printed = BufWriter::new(printed);
    let written = match job.format {
        Format::Table => printed.write_all(table::text(answer, height, job.rows, job.width).as_bytes()),
        Format::Json => json(answer, &mut printed),
        // On a terminal, texts from files must not control it; elsewhere they are data.
        Format::Csv if job.width.is_some() => csv(answer, &mut printed, printable),
        Format::Csv => csv(answer, &mut printed, str::to_owned),
    };
    match written.and_then(|()| printed.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(Problem::Print),
    }
}

/// Writes an answer into a file; it is replaced whole or left as it was.
pub(crate) fn write(answer: &DataFrame, path: &Path, ending: Ending) -> Result<(), Problem> {
    let written = replace_file_by(path, |file| {
        let mut file = BufWriter::new(file);
        match ending {
            Ending::Parquet => parquet_file::encode(answer, &mut file)?,
            Ending::Csv => csv(answer, &mut file, str::to_owned)?,
            Ending::Json => json(answer, &mut file)?,
        }
        file.flush()
    });
    written.map_err(|e| Problem::Write { path: path.display().to_string(), problem: e.to_string() })
}

/// All rows, cell by cell.
fn rows(answer: &DataFrame) -> impl Iterator<Item = Vec<(&str, Cell)>> {
    let columns = answer.columns();
    (0..answer.height()).map(move |row| {
        let cell = |column: &polars::prelude::Column| column.get(row).map_or(Cell::Null, |value| Cell::of(&value));
        columns.iter().map(|column| (column.name().as_str(), cell(column))).collect()
    })
}

/// One object for each row, each on a line. Unprintable characters are escaped; the values stay the same.
fn json(answer: &DataFrame, writer: &mut impl Write) -> io::Result<()> {
    let mut text = String::new();
    for row in rows(answer) {
        let mut line = serde_json::Serializer::new(Vec::new());
        let mut map = line.serialize_map(Some(row.len()))?;
        row.iter().try_for_each(|(name, cell)| map.serialize_entry(name, cell))?;
        map.end()?;
        text.clear();
        cell::push_escaped(&mut text, &String::from_utf8_lossy(&line.into_inner()));
        text.push('\n');
        writer.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Writes CSV; `shown` converts each text.
fn csv(answer: &DataFrame, writer: &mut impl Write, shown: fn(&str) -> String) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(writer);
    writer.write_record(answer.get_column_names().iter().map(|name| shown(name)))?;
    for row in rows(answer) {
        writer.write_record(row.iter().map(|(_, cell)| shown(&cell.exact())))?;
    }
    writer.flush()
}
