//! Parquet: one row group; the context as JSON and a checksum of context and rows in the file's metadata.

use std::collections::HashSet;
use std::sync::Arc;

use nasprof_base::text::hex;
use parquet::basic::{Compression, LogicalType, Repetition};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::types::Type;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::columns::{COLUMNS, Kind, are_columns, row, values};
use super::parquet_limits::{MAX_BYTES, check_footer, check_pages, physical};
use crate::{Context, Lut, Row};

const CONTEXT: &str = "nasprof";
/// Parquet has no checksum of its own here, and a flipped bit in a column is another latency.
const CHECKSUM: &str = "nasprof_sha256";
/// What other programs add when they write a table again.
const FOREIGN: [&str; 2] = ["ARROW:schema", "pandas"];
/// From this version on, a file without a checksum is a damaged one.
const CHECKED_FROM: u32 = 2;

pub(super) fn encode(lut: &Lut) -> Result<Vec<u8>, String> {
    let table: Vec<Vec<Value>> = lut.rows.iter().map(values).collect::<Result<_, _>>()?;
    let context = serde_json::to_string(&lut.context).map_err(|e| e.to_string())?;
    let mut checksum = Checksum::new(&context);
    table.iter().for_each(|row| checksum.add(row));
    let metadata = [(CONTEXT, context), (CHECKSUM, checksum.text())];
    write(&table, metadata).map_err(|e| e.to_string())
}

/// SHA-256 of the context and of all cells, as JSON.
struct Checksum(Sha256);

impl Checksum {
    fn new(context: &str) -> Self {
        Self(Sha256::new_with_prefix(context))
    }

    fn add(&mut self, row: &[Value]) {
        for cell in row {
            self.0.update([0]);
            self.0.update(cell.to_string());
        }
    }

    /// In hexadecimal digits.
    fn text(self) -> String {
        hex(&self.0.finalize())
    }
}

fn write(table: &[Vec<Value>], metadata: [(&str, String); 2]) -> Result<Vec<u8>, ParquetError> {
    let metadata = metadata.map(|(key, value)| KeyValue::new(key.to_owned(), value));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        // Not the library's version: the same LUT is the same bytes.
        .set_created_by("nasprof".to_owned())
        .set_key_value_metadata(Some(metadata.to_vec()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema()?, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    let mut index = 0;
    while let Some(mut column) = group.next_column()? {
        let cells: Vec<&Value> = table.iter().map(|row| &row[index]).collect();
        let levels: Vec<i16> = cells.iter().map(|value| i16::from(!value.is_null())).collect();
        match COLUMNS[index].1 {
            Kind::Text => {
                let data: Vec<ByteArray> = cells.iter().filter_map(|v| v.as_str().map(ByteArray::from)).collect();
                column.typed::<ByteArrayType>().write_batch(&data, Some(&levels), None)?;
            }
            Kind::Real => {
                let data: Vec<f64> = cells.iter().filter_map(|v| v.as_f64()).collect();
                column.typed::<DoubleType>().write_batch(&data, Some(&levels), None)?;
            }
            Kind::Whole => {
                let data: Vec<i64> =
                    cells.iter().filter_map(|v| v.as_u64()).map(i64::try_from).collect::<Result<_, _>>()?;
                column.typed::<Int64Type>().write_batch(&data, Some(&levels), None)?;
            }
        }
        column.close()?;
        index += 1;
    }
    group.close()?;
    writer.close()?;
    Ok(bytes)
}

fn schema() -> Result<Arc<Type>, ParquetError> {
    let fields = COLUMNS.iter().map(|(name, kind)| {
        let logical = match kind {
            Kind::Text => Some(LogicalType::String),
            Kind::Real | Kind::Whole => None,
        };
        let field = Type::primitive_type_builder(name, physical(*kind)).with_repetition(Repetition::OPTIONAL);
        field.with_logical_type(logical).build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("lut").with_fields(fields).build().map(Arc::new)
}

pub(super) fn decode(bytes: Vec<u8>) -> Result<Lut, String> {
    check_footer(&bytes)?;
    let bytes = bytes::Bytes::from(bytes);
    let reader =
        SerializedFileReader::new(bytes.clone()).map_err(|e| format!("not a Parquet file, or a damaged one: {e}"))?;
    let metadata = reader.metadata().file_metadata();
    let pairs = metadata.key_value_metadata().map_or(&[][..], Vec::as_slice);
    let text = value(pairs, CONTEXT)?.ok_or("a Parquet file, but not a LUT of nasprof")?;
    let context: Context = serde_json::from_str(text).map_err(|e| format!("its context: {e}"))?;
    // A checksum whose name was damaged is not one that was never there.
    let known = |key: &str| key == CONTEXT || key == CHECKSUM || FOREIGN.contains(&key);
    if let Some(pair) = pairs.iter().find(|pair| !known(&pair.key)) {
        return Err(format!("unknown metadata key `{}`", pair.key.escape_debug()));
    }
    let kept = value(pairs, CHECKSUM)?;
    if kept.is_none() && context.format_version >= CHECKED_FROM {
        return Err("its checksum is missing: it is damaged, or was written by another program".to_owned());
    }
    let names: Vec<&str> = metadata.schema().get_fields().iter().map(|f| f.name()).collect();
    if !are_columns(names.iter().copied()) {
        return Err("its columns are not those of a LUT".to_owned());
    }
    check_pages(&bytes, reader.metadata())?;
    let (rows, checksum) = rows(&reader, text)?;
    if kept.is_some_and(|kept| kept != checksum) {
        return Err("its checksum does not match: it is damaged, or was changed by another program".to_owned());
    }
    Ok(Lut { context, rows })
}

/// The value of a key that may stand there once.
fn value<'a>(pairs: &'a [KeyValue], key: &str) -> Result<Option<&'a str>, String> {
    let mut found = pairs.iter().filter(|pair| pair.key == key);
    let first = found.next();
    if found.next().is_some() {
        return Err(format!("duplicate metadata key `{key}`"));
    }
    Ok(first.and_then(|pair| pair.value.as_deref()))
}

/// All rows, and the checksum of what they were made of. Few bytes can stand for many equal rows or texts: reading ends at the
/// first key that was there before, and where the texts get too long.
fn rows(reader: &SerializedFileReader<bytes::Bytes>, context: &str) -> Result<(Vec<Row>, String), String> {
    let (mut rows, mut keys, mut length) = (Vec::new(), HashSet::new(), 0);
    let mut checksum = Checksum::new(context);
    for (i, record) in reader.get_row_iter(None).map_err(|e| e.to_string())?.enumerate() {
        let about = |e: String| format!("row {}: {e}", i + 1);
        let record = record.map_err(|e| about(e.to_string()))?;
        let cells = record.get_column_iter().map(|(_, field)| cell(field)).collect::<Result<Vec<_>, _>>();
        let cells = cells.map_err(about)?;
        checksum.add(&cells);
        length += cells.iter().filter_map(Value::as_str).map(str::len).sum::<usize>();
        if length > MAX_BYTES {
            return Err(about("its strings are too long for a LUT".to_owned()));
        }
        let row = row(cells).map_err(about)?;
        if !keys.insert(row.key.clone()) {
            return Err(about(format!("duplicate key `{}`", row.key)));
        }
        rows.push(row);
    }
    Ok((rows, checksum.text()))
}

fn cell(field: &Field) -> Result<Value, String> {
    match field {
        Field::Null => Ok(Value::Null),
        Field::Str(text) => Ok(Value::from(text.as_str())),
        Field::Double(number) => Ok(Value::from(*number)),
        Field::Long(number) => u64::try_from(*number).map(Value::from).map_err(|_| "a negative count".to_owned()),
        other => Err(format!("an unexpected value {other}")),
    }
}
