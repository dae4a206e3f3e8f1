//! Columns from rows.

use polars::functions::concat_df_diagonal;
use polars::prelude::{Column, DataFrame, IdxCa, NamedFrom, PlSmallStr, Scalar, Series};

/// A column of floats.
pub(super) fn reals<T>(name: &str, rows: &[T], value: impl Fn(&T) -> Option<f64>) -> Column {
    Series::new(name.into(), rows.iter().map(value).collect::<Vec<_>>()).into()
}

/// A column of integers, which are at most 2^53 in nasprof's files.
pub(super) fn wholes<T>(name: &str, rows: &[T], value: impl Fn(&T) -> Option<u64>) -> Column {
    let whole = |row: &T| value(row).and_then(|value| i64::try_from(value).ok());
    Series::new(name.into(), rows.iter().map(whole).collect::<Vec<_>>()).into()
}

/// A column of texts.
pub(super) fn texts<T>(name: &str, rows: &[T], value: impl Fn(&T) -> Option<String>) -> Column {
    Series::new(name.into(), rows.iter().map(value).collect::<Vec<_>>()).into()
}

/// A column of a few different texts, given by their numbers: each text is stored once.
pub(super) fn repeated(name: &str, texts: &[String], numbers: Vec<u32>) -> Result<Column, String> {
    let all = Series::new(name.into(), texts);
    let numbers = IdxCa::from_vec("".into(), numbers);
    Ok(all.take(&numbers).map_err(|e| e.to_string())?.into())
}

/// Adds a first column with the name of the file.
pub(super) fn with_file(columns: &mut Vec<Column>, file: &str) {
    let height = columns.first().map_or(0, Column::len);
    columns.insert(0, Column::new_scalar("file".into(), Scalar::from(PlSmallStr::from(file)), height));
}

/// Appends a table to another; a column of only one of them is empty in the other.
pub(super) fn below(above: &DataFrame, frame: DataFrame) -> Result<DataFrame, String> {
    concat_df_diagonal(&[above.clone(), frame]).map_err(|e| e.to_string())
}
