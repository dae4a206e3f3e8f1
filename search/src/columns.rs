//! Columns as Parquet with a checksum of all cells: the format of the tables that runs write.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nasprof_base::caught;
use nasprof_lut::replace_file;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::types::Type;
use thiserror::Error;

use crate::folder::sha256;

const CHECKSUM: &str = "nasprof_sha256";
const FORMAT: &str = "nasprof_format_version";
/// Maximum size of a table in bytes: enough for some ten thousand networks.
const MAX_BYTES: u64 = 1 << 28;

/// A table that cannot be read or written.
#[derive(Debug, Error)]
pub enum TableError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The table.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has another format, or is damaged.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The table.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// The values of a column; any of them can be absent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Column {
    Text(Vec<Option<String>>),
    Real(Vec<Option<f64>>),
    Whole(Vec<Option<i64>>),
}

/// Named columns, all of the same length.
pub(crate) type Columns = Vec<(&'static str, Column)>;

/// Writes columns; the file is replaced atomically.
pub(crate) fn write_columns(path: &Path, columns: &Columns) -> Result<(), TableError> {
    let format = |e: ParquetError| TableError::Format { path: path.to_owned(), problem: e.to_string() };
    let bytes = encode(columns).map_err(format)?;
    replace_file(path, &bytes).map_err(|source| TableError::File { path: path.to_owned(), source })
}

/// Reads columns of these names and types, and verifies the checksum.
pub(crate) fn read_columns(path: &Path, of: &Columns, what: &str) -> Result<Vec<Column>, TableError> {
    let fail = |source| TableError::File { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(fail)?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(fail(io::Error::other("not a regular file, or larger than 256 MiB")));
    }
    let bytes = fs::read(path).map_err(fail)?;
    // The library panics on some damaged files.
    let columns = caught(|| decode(bytes, of, what)).unwrap_or_else(|| Err("a damaged Parquet file".to_owned()));
    columns.map_err(|problem| TableError::Format { path: path.to_owned(), problem })
}

fn levels<T>(values: &[Option<T>]) -> Vec<i16> {
    values.iter().map(|value| i16::from(value.is_some())).collect()
}

impl Column {
    fn physical(&self) -> Physical {
        match self {
            Self::Text(_) => Physical::BYTE_ARRAY,
            Self::Real(_) => Physical::DOUBLE,
            Self::Whole(_) => Physical::INT64,
        }
    }

    /// An empty column of the same type.
    fn emptied(&self) -> Self {
        match self {
            Self::Text(_) => Self::Text(Vec::new()),
            Self::Real(_) => Self::Real(Vec::new()),
            Self::Whole(_) => Self::Whole(Vec::new()),
        }
    }

    fn push(&mut self, field: &Field) -> Result<(), ()> {
        match (self, field) {
            (Self::Text(values), Field::Null) => values.push(None),
            (Self::Real(values), Field::Null) => values.push(None),
            (Self::Whole(values), Field::Null) => values.push(None),
            (Self::Text(values), Field::Str(text)) => values.push(Some(text.clone())),
            (Self::Real(values), Field::Double(value)) => values.push(Some(*value)),
            (Self::Whole(values), Field::Long(value)) => values.push(Some(*value)),
            _ => return Err(()),
        }
        Ok(())
    }

    fn cell(&self, row: usize) -> String {
        match self {
            Self::Text(values) => values[row].as_ref().map_or_else(String::new, |text| format!("t{text}")),
            Self::Real(values) => values[row].map_or_else(String::new, |value| format!("r{:x}", value.to_bits())),
            Self::Whole(values) => values[row].map_or_else(String::new, |value| format!("w{value}")),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Real(values) => values.len(),
            Self::Whole(values) => values.len(),
        }
    }
}

/// SHA-256 of all cells.
fn checksum<'a>(columns: impl Iterator<Item = &'a Column> + Clone) -> String {
    let mut text = String::new();
    for row in 0..columns.clone().next().map_or(0, Column::len) {
        for column in columns.clone() {
            text += &column.cell(row);
            text.push('\0');
        }
    }
    sha256(text.as_bytes())
}

fn encode(columns: &Columns) -> Result<Vec<u8>, ParquetError> {
    let fields = columns.iter().map(|(name, column)| {
        let logical = matches!(column, Column::Text(_)).then_some(LogicalType::String);
        let field = Type::primitive_type_builder(name, column.physical()).with_repetition(Repetition::OPTIONAL);
        field.with_logical_type(logical).build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("networks").with_fields(fields).build()?);
    let metadata = [(FORMAT, "1".to_owned()), (CHECKSUM, checksum(columns.iter().map(|(_, column)| column)))];
    let metadata = metadata.map(|(key, value)| KeyValue::new(key.to_owned(), value));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        // Without the library's version, so that equal records give equal bytes.
        .set_created_by("nasprof".to_owned())
        .set_key_value_metadata(Some(metadata.to_vec()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (_, column) in columns {
        let Some(mut into) = group.next_column()? else { break };
        match column {
            Column::Text(values) => {
                let data: Vec<ByteArray> = values.iter().flatten().map(|text| ByteArray::from(text.as_str())).collect();
                into.typed::<ByteArrayType>().write_batch(&data, Some(&levels(values)), None)?;
            }
            Column::Real(values) => {
                let data: Vec<f64> = values.iter().flatten().copied().collect();
                into.typed::<DoubleType>().write_batch(&data, Some(&levels(values)), None)?;
            }
            Column::Whole(values) => {
                let data: Vec<i64> = values.iter().flatten().copied().collect();
                into.typed::<Int64Type>().write_batch(&data, Some(&levels(values)), None)?;
            }
        }
        into.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

fn decode(bytes: Vec<u8>, of: &Columns, what: &str) -> Result<Vec<Column>, String> {
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes))
        .map_err(|e| format!("not a Parquet file, or a damaged one: {e}"))?;
    let metadata = reader.metadata().file_metadata();
    let pairs: HashMap<&str, Option<&String>> = metadata
        .key_value_metadata()
        .map_or(&[][..], Vec::as_slice)
        .iter()
        .map(|pair| (pair.key.as_str(), pair.value.as_ref()))
        .collect();
    let value = |key: &str| pairs.get(key).copied().flatten();
    let names = metadata.schema().get_fields().iter().map(|field| field.name());
    if !names.eq(of.iter().map(|(name, _)| *name)) {
        return Err(format!("the columns do not match those of {what}"));
    }
    match value(FORMAT).map(String::as_str) {
        Some("1") => {}
        other => return Err(format!("unknown format version {}", other.unwrap_or("(missing)"))),
    }
    let mut columns: Vec<Column> = of.iter().map(|(_, column)| column.emptied()).collect();
    for (i, row) in reader.get_row_iter(None).map_err(|e| e.to_string())?.enumerate() {
        let row = row.map_err(|e| format!("row {}: {e}", i + 1))?;
        for ((name, field), column) in row.get_column_iter().zip(&mut columns) {
            column.push(field).map_err(|()| format!("row {}: column {name} has the wrong type", i + 1))?;
        }
    }
    if value(CHECKSUM) != Some(&checksum(columns.iter())) {
        return Err("the checksum does not match: the file is damaged, or another program changed it".to_owned());
    }
    Ok(columns)
}
