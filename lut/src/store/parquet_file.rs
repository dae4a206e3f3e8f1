//! Parquet: one row group; the context as JSON and a checksum of context and rows in the file's metadata.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
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
use crate::{Context, Lut};

const CONTEXT: &str = "nasprof";
/// Parquet has no checksum of its own here, and a flipped bit in a column is another latency. Older files have none.
const CHECKSUM: &str = "nasprof_sha256";

pub(super) fn encode(lut: &Lut) -> Result<Vec<u8>, String> {
    let table: Vec<Vec<Value>> = lut.rows.iter().map(values).collect::<Result<_, _>>()?;
    let context = serde_json::to_string(&lut.context).map_err(|e| e.to_string())?;
    let checksum = checksum(&context, &table);
    let metadata = [(CONTEXT, context), (CHECKSUM, checksum)];
    write(&table, metadata).map_err(|e| e.to_string())
}

/// SHA-256 of the context and of all cells, as JSON, in hexadecimal digits.
fn checksum(context: &str, table: &[Vec<Value>]) -> String {
    let mut hash = Sha256::new();
    hash.update(context);
    for row in table {
        for cell in row {
            hash.update([0]);
            hash.update(cell.to_string());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
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
                    cells.iter().filter_map(|v| v.as_u64()).map(|v| i64::try_from(v).unwrap_or(i64::MAX)).collect();
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
        let (physical, logical) = match kind {
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Real => (Physical::DOUBLE, None),
            Kind::Whole => (Physical::INT64, None),
        };
        let field = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
        field.with_logical_type(logical).build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("lut").with_fields(fields).build().map(Arc::new)
}

pub(super) fn decode(bytes: Vec<u8>) -> Result<Lut, String> {
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes))
        .map_err(|e| format!("not a Parquet file, or a damaged one: {e}"))?;
    let metadata = reader.metadata().file_metadata();
    let pairs = metadata.key_value_metadata().map_or(&[][..], Vec::as_slice);
    let value = |key| pairs.iter().find(|pair| pair.key == key)?.value.as_deref();
    let text = value(CONTEXT).ok_or("a Parquet file, but not a LUT of nasprof")?;
    let context: Context = serde_json::from_str(text).map_err(|e| format!("its context: {e}"))?;
    let names: Vec<&str> = metadata.schema().get_fields().iter().map(|f| f.name()).collect();
    if !are_columns(names.iter().copied()) {
        return Err("its columns are not those of a LUT".to_owned());
    }
    let records = reader.get_row_iter(None).map_err(|e| e.to_string())?;
    let about = |i: usize, e: String| format!("row {}: {e}", i + 1);
    let cells = records.enumerate().map(|(i, record)| {
        let record = record.map_err(|e| about(i, e.to_string()))?;
        let cells = record.get_column_iter().map(|(_, field)| cell(field)).collect::<Result<Vec<_>, _>>();
        cells.map_err(|e| about(i, e))
    });
    let table: Vec<Vec<Value>> = cells.collect::<Result<_, _>>()?;
    if value(CHECKSUM).is_some_and(|kept| kept != checksum(text, &table)) {
        return Err(
            "its checksum is not that of its values: it is damaged, or was written by another program".to_owned()
        );
    }
    let rows = table.into_iter().enumerate().map(|(i, cells)| row(cells).map_err(|e| about(i, e)));
    Ok(Lut { context, rows: rows.collect::<Result<_, _>>()? })
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
