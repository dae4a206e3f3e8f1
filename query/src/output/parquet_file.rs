//! Answers as Parquet, for other programs.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use polars::prelude::{Column, DataFrame, DataType};

use super::cell::Cell;

/// Rows of a row group; the rows of one group are in memory twice.
const GROUP: usize = 1 << 18;

/// Writes the bytes of a file.
pub(super) fn encode(answer: &DataFrame, writer: &mut (impl Write + Send)) -> io::Result<()> {
    encode_groups(answer, writer).map_err(|e| match e {
        ParquetError::External(e) => e.downcast().map_or_else(io::Error::other, |e| *e),
        other => io::Error::other(other),
    })
}

fn encode_groups(answer: &DataFrame, writer: &mut (impl Write + Send)) -> Result<(), ParquetError> {
    let fields = answer.columns().iter().map(field).collect::<Result<Vec<_>, _>>()?;
    let schema = Type::group_type_builder("answer").with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut file = SerializedFileWriter::new(writer, Arc::new(schema), Arc::new(properties))?;
    // An answer without rows has an empty group.
    for first in (0..answer.height().max(1)).step_by(GROUP) {
        let part = answer.slice(first as i64, GROUP);
        let mut group = file.next_row_group()?;
        part.columns().iter().try_for_each(|column| write(column, &mut group))?;
        group.close()?;
    }
    file.close().map(drop)
}

/// Storage type of a column: 64-bit integer, 64-bit float, boolean or text.
fn physical(column: &Column) -> Physical {
    match column.dtype() {
        DataType::Boolean => Physical::BOOLEAN,
        kind if kind.is_float() => Physical::DOUBLE,
        kind if kind.is_integer() => Physical::INT64,
        _ => Physical::BYTE_ARRAY,
    }
}

fn field(column: &Column) -> Result<Arc<Type>, ParquetError> {
    let kind = physical(column);
    let builder = Type::primitive_type_builder(column.name(), kind).with_repetition(Repetition::OPTIONAL);
    let logical = (kind == Physical::BYTE_ARRAY).then_some(LogicalType::String);
    builder.with_logical_type(logical).build().map(Arc::new)
}

fn write<W: Write + Send>(column: &Column, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<(), ParquetError> {
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
                i64::try_from(*value).map_err(|_| ParquetError::General(message()))
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

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use polars::prelude::{NamedFrom, Series};

    use super::*;

    #[test]
    fn an_answer_of_several_groups_is_whole_and_in_order() {
        let count = GROUP as i64 + 3;
        let rows = Series::new("n".into(), (0..count).collect::<Vec<_>>());
        let mut file = tempfile::tempfile().unwrap();
        encode(&DataFrame::new_infer_height(vec![rows.into()]).unwrap(), &mut file).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        assert_eq!(reader.num_row_groups(), 2);
        let read = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().get_long(0).unwrap());
        assert!(read.eq(0..count));
    }

    #[test]
    fn an_answer_without_rows_has_its_columns() {
        let rows = Series::new("n".into(), Vec::<i64>::new());
        let mut file = tempfile::tempfile().unwrap();
        encode(&DataFrame::new_infer_height(vec![rows.into()]).unwrap(), &mut file).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let metadata = reader.metadata().file_metadata();
        assert_eq!((metadata.num_rows(), metadata.schema().get_fields()[0].name()), (0, "n"));
    }
}
