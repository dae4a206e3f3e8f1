//! Columns from rows.

use polars::functions::concat_df_diagonal;
use polars::prelude::{Column, DataFrame, IdxCa, NamedFrom, PlSmallStr, Scalar, Series};

/// Numbers with a fraction.
pub(super) fn reals<T>(name: &str, rows: &[T], value: impl Fn(&T) -> Option<f64>) -> Column {
    Series::new(name.into(), rows.iter().map(value).collect::<Vec<_>>()).into()
}

/// Whole numbers. Those of nasprof's files are at most 2^53.
pub(super) fn wholes<T>(name: &str, rows: &[T], value: impl Fn(&T) -> Option<u64>) -> Column {
    let whole = |row: &T| value(row).and_then(|value| i64::try_from(value).ok());
    Series::new(name.into(), rows.iter().map(whole).collect::<Vec<_>>()).into()
}

/// Texts.
pub(super) fn texts<T>(name: &str, rows: &[T], value: impl Fn(&T) -> Option<String>) -> Column {
    Series::new(name.into(), rows.iter().map(value).collect::<Vec<_>>()).into()
}

/// Texts of which there are few, each by its number: they are stored once.
pub(super) fn repeated(name: &str, texts: &[String], numbers: Vec<u32>) -> Result<Column, String> {
    let all = Series::new(name.into(), texts);
    let numbers = IdxCa::from_vec("".into(), numbers);
    Ok(all.take(&numbers).map_err(|e| e.to_string())?.into())
}

/// Puts the name of their file before columns.
pub(super) fn with_file(columns: &mut Vec<Column>, file: &str) {
    let height = columns.first().map_or(0, Column::len);
    columns.insert(0, Column::new_scalar("file".into(), Scalar::from(PlSmallStr::from(file)), height));
}

/// A table below another; a column that only one has is empty in the other.
pub(super) fn below(above: &DataFrame, frame: DataFrame) -> Result<DataFrame, String> {
    concat_df_diagonal(&[above.clone(), frame]).map_err(|e| e.to_string())
}
