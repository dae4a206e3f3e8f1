//! Answers as Parquet, for other programs.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use polars::prelude::{Column, DataFrame, DataType};

use super::cell::Cell;

/// The bytes of a file with one row group.
pub(super) fn encode(answer: &DataFrame) -> Result<Vec<u8>, String> {
    let fail = |e: parquet::errors::ParquetError| e.to_string();
    let fields = answer.columns().iter().map(field).collect::<Result<Vec<_>, _>>().map_err(fail)?;
    let schema = Type::group_type_builder("answer").with_fields(fields).build().map_err(fail)?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, Arc::new(schema), Arc::new(properties)).map_err(fail)?;
    let mut group = file.next_row_group().map_err(fail)?;
    answer.columns().iter().try_for_each(|column| write(column, &mut group)).map_err(fail)?;
    group.close().map_err(fail)?;
    file.close().map_err(fail)?;
    Ok(bytes)
}

/// How a column is stored: whole numbers and fractions of 64 bits, truth, or text.
fn physical(column: &Column) -> Physical {
    match column.dtype() {
        DataType::Boolean => Physical::BOOLEAN,
        kind if kind.is_float() => Physical::DOUBLE,
        kind if kind.is_integer() => Physical::INT64,
        _ => Physical::BYTE_ARRAY,
    }
}

fn field(column: &Column) -> Result<Arc<Type>, parquet::errors::ParquetError> {
    let kind = physical(column);
    let builder = Type::primitive_type_builder(column.name(), kind).with_repetition(Repetition::OPTIONAL);
    let logical = (kind == Physical::BYTE_ARRAY).then_some(LogicalType::String);
    builder.with_logical_type(logical).build().map(Arc::new)
}

fn write(column: &Column, group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>) -> parquet::errors::Result<()> {
    let cells: Vec<Cell> =
        (0..column.len()).map(|row| column.get(row).map_or(Cell::Null, |value| Cell::of(&value))).collect();
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(*cell != Cell::Null)).collect();
    let Some(mut writer) = group.next_column()? else { return Ok(()) };
    let levels = Some(&levels[..]);
    match physical(column) {
        Physical::BOOLEAN => {
            let values: Vec<bool> = cells
                .iter()
                .filter_map(|cell| if let Cell::Bool(value) = cell { Some(*value) } else { None })
                .collect();
            writer.typed::<BoolType>().write_batch(&values, levels, None)?;
        }
        Physical::DOUBLE => {
            let values: Vec<f64> = cells
                .iter()
                .filter_map(|cell| if let Cell::Real(value) = cell { Some(*value) } else { None })
                .collect();
            writer.typed::<DoubleType>().write_batch(&values, levels, None)?;
        }
        Physical::INT64 => {
            let whole = |value: &i128| {
                let message = || format!("{value} of `{}` has more than 64 bits", column.name());
                i64::try_from(*value).map_err(|_| parquet::errors::ParquetError::General(message()))
            };
            let values: Vec<i64> = cells
                .iter()
                .filter_map(|cell| if let Cell::Whole(value) = cell { Some(whole(value)) } else { None })
                .collect::<Result<_, _>>()?;
            writer.typed::<Int64Type>().write_batch(&values, levels, None)?;
        }
        _ => {
            let texts = cells.iter().filter(|cell| **cell != Cell::Null);
            let values: Vec<ByteArray> = texts.map(|cell| ByteArray::from(cell.exact().into_bytes())).collect();
            writer.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
        }
    }
    writer.close()
}
