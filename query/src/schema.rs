//! The list of tables.

use polars::prelude::{DataFrame, DataType, NamedFrom, Series};

use crate::error::Problem;
use crate::sources::Sources;

/// A table of all tables' columns.
pub(crate) fn frame(sources: &Sources) -> Result<DataFrame, Problem> {
    let (mut tables, mut rows, mut columns, mut types) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (name, frame) in &sources.tables {
        for column in frame.columns() {
            tables.push(name.as_str());
            rows.push(frame.height() as i64);
            columns.push(column.name().to_string());
            types.push(type_name(column.dtype()));
        }
    }
    let columns = vec![
        Series::new("table".into(), tables).into(),
        Series::new("rows".into(), rows).into(),
        Series::new("column".into(), columns).into(),
        Series::new("type".into(), types).into(),
    ];
    DataFrame::new_infer_height(columns).map_err(|e| Problem::Internal(e.to_string()))
}

/// Name of a type in SQL.
fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::String => "text".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        kind if kind.is_integer() => "integer".to_owned(),
        kind if kind.is_float() => "real".to_owned(),
        DataType::Null => "empty".to_owned(),
        kind => format!("{kind:?}").to_lowercase(),
    }
}
