//! Records as a Parquet table, one row for each epoch of each network.
//!
//! The batch losses are a list as JSON text. The scores are JSON text too, since their names depend on the version that
//! wrote them.

use std::collections::HashSet;
use std::path::Path;

use nasprof_graph::arch::ArchFile;

use super::{Epoch, Outcome, Record};
use crate::columns::{Column, Columns, TableError, read_columns, write_columns};

/// Writes records as Parquet; the file is replaced atomically. Durations are left out, since the machine may have been busy.
///
/// # Errors
/// A file that cannot be written.
pub fn write_table(path: &Path, records: &[Record]) -> Result<(), TableError> {
    let columns = columns(records).map_err(|problem| TableError::Format { path: path.to_owned(), problem })?;
    write_columns(path, &columns)
}

/// Reads records back from Parquet, without durations.
///
/// # Errors
/// A file that cannot be read, is not such a table, or was altered.
pub fn read_table(path: &Path) -> Result<Vec<Record>, TableError> {
    let format = |problem| TableError::Format { path: path.to_owned(), problem };
    let none = columns(&[]).map_err(format)?;
    records(read_columns(path, &none, "trained networks")?).map_err(format)
}

/// A record with its index, one of its epochs and the epoch's number; for a failed training, without an epoch.
type Line<'a> = (usize, &'a Record, Option<(usize, &'a Epoch)>);

fn columns(records: &[Record]) -> Result<Columns, String> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (i, record) in records.iter().enumerate() {
        match &record.outcome {
            Outcome::Trained { epochs, .. } => {
                lines.extend(epochs.iter().enumerate().map(|(number, epoch)| (i, record, Some((number, epoch)))));
            }
            Outcome::Failed { .. } => lines.push((i, record, None)),
        }
    }
    let count = |value: u64| i64::try_from(value).map_err(|e| e.to_string());
    let json = |value: Result<String, serde_json::Error>| value.map(Some).map_err(|e| e.to_string());
    let whole = |of: &dyn Fn(&Line<'_>) -> Result<Option<i64>, String>| {
        Ok::<_, String>(Column::Whole(lines.iter().map(of).collect::<Result<_, _>>()?))
    };
    let text = |of: &dyn Fn(&Line<'_>) -> Result<Option<String>, String>| {
        Ok::<_, String>(Column::Text(lines.iter().map(of).collect::<Result<_, _>>()?))
    };
    let epoch = |of: fn(&Epoch) -> Option<f64>| Column::Real(lines.iter().map(|line| of(line.2?.1)).collect());
    // Only in the row of the last epoch.
    let test = |line: &Line<'_>| match (&line.1.outcome, line.2) {
        (Outcome::Trained { epochs, test_accuracy, test_images }, Some((number, _))) if number + 1 == epochs.len() => {
            Some((*test_accuracy, *test_images as i64))
        }
        _ => None,
    };
    Ok(vec![
        ("network", whole(&|line| Ok(Some(line.0 as i64 + 1)))?),
        ("arch", text(&|line| json(serde_json::to_string(&line.1.arch)))?),
        ("seed", whole(&|line| count(line.1.seed).map(Some))?),
        ("params", whole(&|line| count(line.1.params).map(Some))?),
        ("macs", whole(&|line| count(line.1.macs).map(Some))?),
        ("scores", text(&|line| json(serde_json::to_string(&line.1.scores)))?),
        ("epoch", whole(&|line| Ok(line.2.map(|(number, _)| number as i64 + 1)))?),
        ("train_loss", epoch(|epoch| Some(epoch.train_loss))),
        ("train_accuracy", epoch(|epoch| Some(epoch.train_accuracy))),
        ("valid_loss", epoch(|epoch| epoch.valid_loss)),
        ("valid_accuracy", epoch(|epoch| epoch.valid_accuracy)),
        (
            "batch_losses",
            text(&|line| match line.2 {
                Some((_, epoch)) => json(serde_json::to_string(&epoch.batch_losses)),
                None => Ok(None),
            })?,
        ),
        ("test_accuracy", Column::Real(lines.iter().map(|line| Some(test(line)?.0)).collect())),
        ("test_images", whole(&|line| Ok(test(line).map(|(_, images)| images)))?),
        (
            "problem",
            text(&|line| match &line.1.outcome {
                Outcome::Failed { problem } => Ok(Some(problem.clone())),
                Outcome::Trained { .. } => Ok(None),
            })?,
        ),
    ])
}

/// The values of the columns of one row.
struct Row<'a> {
    columns: &'a [Column],
    row: usize,
}

impl Row<'_> {
    fn text(&self, column: usize) -> Option<&str> {
        match &self.columns[column] {
            Column::Text(values) => values[self.row].as_deref(),
            _ => None,
        }
    }

    fn real(&self, column: usize) -> Option<f64> {
        match &self.columns[column] {
            Column::Real(values) => values[self.row],
            _ => None,
        }
    }

    fn whole(&self, column: usize) -> Option<i64> {
        match &self.columns[column] {
            Column::Whole(values) => values[self.row],
            _ => None,
        }
    }

    fn count(&self, column: usize) -> Result<u64, String> {
        let value = self.whole(column).and_then(|value| u64::try_from(value).ok());
        value.ok_or_else(|| "a count is missing or negative".to_owned())
    }

    fn json<T: serde::de::DeserializeOwned>(&self, column: usize) -> Result<T, String> {
        serde_json::from_str(self.text(column).unwrap_or_default()).map_err(|e| e.to_string())
    }

    fn epoch(&self) -> Result<Epoch, String> {
        let missing = || "the loss of an epoch is missing".to_owned();
        let batch_losses: Vec<f32> = self.json(11)?;
        if batch_losses.is_empty() {
            return Err("`batch_losses` has no loss".to_owned());
        }
        if let Some(bad) = batch_losses.iter().find(|loss| **loss < 0.0) {
            return Err(format!("`batch_losses`: {bad} is not a loss"));
        }
        Ok(Epoch {
            batch_losses,
            train_loss: self.real(7).ok_or_else(missing)?,
            train_accuracy: self.real(8).ok_or_else(missing)?,
            valid_loss: self.real(9),
            valid_accuracy: self.real(10),
        })
    }

    /// The first column that describes the network and differs from its first row.
    fn other_network(&self, first: &Self) -> Option<&'static str> {
        let differs = |at: &usize| match &self.columns[*at] {
            Column::Text(values) => values[self.row] != values[first.row],
            Column::Whole(values) => values[self.row] != values[first.row],
            Column::Real(_) => false,
        };
        (1..=5).find(differs).map(|at| ["arch", "seed", "params", "macs", "scores"][at - 1])
    }

    fn record(&self) -> Result<Record, String> {
        let outcome = match self.text(14) {
            Some(problem) => Outcome::Failed { problem: problem.to_owned() },
            None => Outcome::Trained { epochs: Vec::new(), test_accuracy: f64::NAN, test_images: 0 },
        };
        Ok(Record {
            arch: self.json::<ArchFile>(1)?,
            seed: self.count(2)?,
            params: self.count(3)?,
            macs: self.count(4)?,
            scores: self.json(5)?,
            outcome,
            seconds: 0.0,
        })
    }
}

/// Rows of one network are consecutive and sorted by epoch.
fn records(columns: Vec<Column>) -> Result<Vec<Record>, String> {
    let rows = match columns.first() {
        Some(Column::Whole(values)) => values.len(),
        _ => 0,
    };
    let (mut records, mut seen, mut first) = (Vec::<Record>::new(), HashSet::new(), 0);
    for row in 0..rows {
        let about = |problem: String| format!("row {}: {problem}", row + 1);
        let row = Row { columns: &columns, row };
        let number = row.whole(0).ok_or_else(|| about("has no number in column `network`".to_owned()))?;
        if records.is_empty() || number != records.len() as i64 {
            let next = records.len() + 1;
            if number != next as i64 {
                return Err(about(format!("the next network has number {number}, not {next}")));
            }
            first = row.row;
            let record = row.record().map_err(about)?;
            if !seen.insert((row.text(1).map(str::to_owned), record.seed)) {
                return Err(about("duplicate of an earlier network with the same seed".to_owned()));
            }
            records.push(record);
        } else if let Some(column) = row.other_network(&Row { columns: &columns, row: first }) {
            return Err(about(format!("`{column}` differs from row {} of the same network", first + 1)));
        }
        let Some(Record { outcome, .. }) = records.last_mut() else { continue };
        match (outcome, row.whole(6)) {
            (Outcome::Trained { epochs, test_accuracy, test_images }, Some(epoch)) => {
                if epoch != epochs.len() as i64 + 1 {
                    return Err(about(format!("epoch {epoch} follows epoch {}", epochs.len())));
                }
                if !test_accuracy.is_nan() {
                    return Err(about("the test accuracy is in the row of an earlier epoch".to_owned()));
                }
                epochs.push(row.epoch().map_err(about)?);
                if let Some(accuracy) = row.real(12) {
                    (*test_accuracy, *test_images) = (accuracy, row.count(13).map_err(about)? as usize);
                }
            }
            (Outcome::Failed { .. }, None) => {}
            _ => return Err(about("neither an epoch nor a failure".to_owned())),
        }
    }
    let lacks =
        |record: &Record| matches!(&record.outcome, Outcome::Trained { test_accuracy, .. } if test_accuracy.is_nan());
    match records.iter().position(lacks) {
        Some(i) => Err(format!("network {} has no test accuracy", i + 1)),
        None => Ok(records),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn record(seed: u64, accuracy: Option<f64>) -> Record {
        let epoch = |loss: f64| Epoch {
            batch_losses: vec![loss as f32, 0.1],
            train_loss: loss,
            train_accuracy: 0.3,
            valid_loss: Some(loss + 0.1),
            valid_accuracy: Some(0.25),
        };
        Record {
            arch: ArchFile {
                format_version: 1,
                space: "s".to_owned(),
                choices: [("a".to_owned(), "b".to_owned())].into(),
            },
            seed,
            params: 10,
            macs: 20,
            scores: [("naswot".to_owned(), 1.0 / 3.0)].into(),
            outcome: match accuracy {
                Some(test_accuracy) => {
                    Outcome::Trained { epochs: vec![epoch(2.3), epoch(1.1)], test_accuracy, test_images: 20 }
                }
                None => Outcome::Failed { problem: "the loss is NaN".to_owned() },
            },
            seconds: 0.0,
        }
    }

    #[test]
    fn a_table_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("networks.parquet");
        let records = [record(1, Some(0.8)), record(2, None), record(3, Some(0.1 + 0.2))];
        write_table(&path, &records).unwrap();
        assert_eq!(read_table(&path).unwrap(), records);
        let bytes = fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(7) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            fs::write(&path, &flipped).unwrap();
            // What stands between columns is read by nobody.
            assert!(read_table(&path).map_or(true, |read| read == records), "byte {at}");
        }
    }

    #[test]
    fn a_network_that_stands_there_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("networks.parquet");
        write_table(&path, &[record(1, Some(0.8)), record(1, Some(0.7))]).unwrap();
        let error = read_table(&path).unwrap_err().to_string();
        assert!(error.contains("row 3: duplicate of an earlier network"), "{error}");
        fs::write(&path, b"no table").unwrap();
        assert!(read_table(&path).unwrap_err().to_string().contains("not a Parquet file"));
    }
    /// Cells that contradict each other, in a table whose checksum is right.
    #[test]
    fn rows_that_contradict_each_other_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("networks.parquet");
        let records = [record(1, Some(0.8)), record(2, Some(0.7)), record(3, None)];
        let text = |text: &str| Column::Text(vec![Some(text.to_owned())]);
        let whole = |value: i64| Column::Whole(vec![Some(value)]);
        for (name, row, value, expected) in [
            ("network", 2, whole(3), "row 3: the next network has number 3, not 2"),
            ("network", 0, whole(0), "row 1: the next network has number 0, not 1"),
            ("arch", 1, text("{}"), "row 2: `arch` differs from row 1 of the same network"),
            ("params", 3, whole(11), "row 4: `params` differs from row 3"),
            ("macs", 3, whole(11), "row 4: `macs` differs from row 3"),
            ("scores", 1, text("{}"), "row 2: `scores` differs from row 1"),
            ("batch_losses", 1, text("[]"), "row 2: `batch_losses` has no loss"),
            ("batch_losses", 1, text("[0.5, -5.0]"), "row 2: `batch_losses`: -5 is not a loss"),
            ("batch_losses", 1, text("[1e39]"), "row 2: number out of range"),
        ] {
            let mut changed = columns(&records).unwrap();
            let (_, column) = changed.iter_mut().find(|(known, _)| *known == name).unwrap();
            match (column, value) {
                (Column::Text(values), Column::Text(mut value)) => values[row] = value.remove(0),
                (Column::Whole(values), Column::Whole(mut value)) => values[row] = value.remove(0),
                _ => panic!("`{name}` has another type"),
            }
            write_columns(&path, &changed).unwrap();
            let error = read_table(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} for {expected}");
        }
        let mut early = columns(&records).unwrap();
        for (name, column) in &mut early {
            match (*name, column) {
                ("test_accuracy", Column::Real(values)) => values.swap(0, 1),
                ("test_images", Column::Whole(values)) => values.swap(0, 1),
                _ => {}
            }
        }
        write_columns(&path, &early).unwrap();
        let error = read_table(&path).unwrap_err().to_string();
        assert!(error.contains("row 2: the test accuracy is in the row of an earlier epoch"), "{error}");
        // The control: as it was written.
        write_columns(&path, &columns(&records).unwrap()).unwrap();
        assert_eq!(read_table(&path).unwrap(), records);
    }
}
