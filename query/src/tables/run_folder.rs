//! The folder of a search or a training as tables.

use std::path::Path;

use polars::prelude::Column;

use super::frame::{reals, texts};
use super::text;

/// Files of a run, and the tables that they become.
const FILES: [(&str, &str); 3] = [("metrics.csv", "epochs"), ("alphas.csv", "candidates"), ("pareto.csv", "front")];

/// The tables of a run.
pub(crate) struct RunFolder {
    tables: Vec<(&'static str, Table)>,
}

struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl RunFolder {
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let mut tables = Vec::new();
        for (file, table) in FILES {
            let path = folder.join(file);
            if path.exists() {
                tables.push((table, Table::parse(&text(&path)?).map_err(|e| format!("{file}: {e}"))?));
            }
        }
        match tables.is_empty() {
            true => Err("is not a run folder: it has no metrics.csv, alphas.csv or pareto.csv".to_owned()),
            false => Ok(Self { tables }),
        }
    }

    pub(super) fn columns(&self) -> Vec<(&'static str, Vec<Column>)> {
        self.tables.iter().map(|(name, table)| (*name, table.columns())).collect()
    }
}

impl Table {
    fn parse(text: &str) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let names: Vec<String> = reader.headers().map_err(|e| e.to_string())?.iter().map(ToOwned::to_owned).collect();
        if let Some((i, name)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
            return Err(format!("column {} has the duplicate name `{name}`", i + 1));
        }
        let rows = reader.records().map(|record| record.map(|r| r.iter().map(ToOwned::to_owned).collect()));
        Ok(Self { names, rows: rows.collect::<Result<_, _>>().map_err(|e| e.to_string())? })
    }

    /// A column is numeric if all cells that are not empty are numbers.
    fn columns(&self) -> Vec<Column> {
        let column = |(i, name): (usize, &String)| {
            let cells: Vec<&str> = self.rows.iter().map(|row| row[i].as_str()).collect();
            if cells.iter().all(|cell| cell.is_empty() || cell.parse::<f64>().is_ok()) {
                reals(name, &cells, |cell| cell.parse().ok())
            } else {
                texts(name, &cells, |cell| (!cell.is_empty()).then(|| (*cell).to_owned()))
            }
        };
        self.names.iter().enumerate().map(column).collect()
    }
}
