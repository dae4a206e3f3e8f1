//! Answers: as a table, JSON, CSV and files.

use std::fs;

use nasprof_query::{Format, Job};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;

use crate::harness::{Folder, printed};

const SQL: &str = "SELECT op, COUNT(*) AS n, SUM(mean_ms) AS ms, MAX(error) AS error, COUNT(*) > 5 AS many FROM lut GROUP BY op \
                   ORDER BY ms DESC";

/// A row of a file, as JSON has it.
fn json(row: &Row) -> Value {
    let value = |field: &Field| match field {
        Field::Null => Value::Null,
        Field::Bool(value) => (*value).into(),
        Field::Long(value) => (*value).into(),
        Field::Double(value) => (*value).into(),
        Field::Str(text) => text.as_str().into(),
        other => panic!("{other}"),
    };
    row.get_column_iter().map(|(name, field)| (name.clone(), value(field))).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn all_forms_hold_the_same() {
    let folder = Folder::new();
    let rows = folder.rows(SQL, &["lut.parquet"]);
    assert!(rows.len() > 3 && rows[0]["ms"].as_f64() > rows[1]["ms"].as_f64(), "{rows:?}");
    let job = folder.job(SQL, &["lut.parquet"]);
    let csv = printed(&Job { format: Format::Csv, ..job.clone() }).unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), ["op", "n", "ms", "error", "many"]);
    for (record, row) in reader.records().map(Result::unwrap).zip(&rows) {
        assert_eq!(
            (&record[0], &record[3], &record[4]),
            (row["op"].as_str().unwrap(), "", row["many"].to_string().as_str())
        );
        assert_eq!(record[2].parse::<f64>().unwrap(), row["ms"].as_f64().unwrap());
    }
    for name in ["a.parquet", "a.csv", "a.json"] {
        let written = printed(&Job { output: Some(folder.path(name)), ..job.clone() }).unwrap();
        assert_eq!(written, "");
    }
    assert_eq!(fs::read_to_string(folder.path("a.csv")).unwrap(), csv);
    assert_eq!(fs::read_to_string(folder.path("a.json")).unwrap(), printed(&job).unwrap());
    let file = SerializedFileReader::new(fs::File::open(folder.path("a.parquet")).unwrap()).unwrap();
    let read: Vec<Value> = file.get_row_iter(None).unwrap().map(|row| json(&row.unwrap())).collect();
    for (read, row) in read.iter().zip(&rows) {
        assert_eq!(read, row);
    }
    assert_eq!(read.len(), rows.len());
}

#[test]
fn a_table_is_cut_to_the_terminal_and_to_its_rows() {
    let folder = Folder::new();
    let job = Job { format: Format::Table, ..folder.job("SELECT key, op, mean_ms FROM lut", &["lut.parquet"]) };
    let whole = printed(&job).unwrap();
    assert_eq!(whole.lines().count(), folder.lut.rows.len() + 2);
    let narrow = printed(&Job { rows: 5, width: Some(60), ..job }).unwrap();
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    assert_eq!(narrow.lines().count(), 8);
    assert!(narrow.contains("rows more (--rows 0 shows all)") && whole.len() > narrow.len(), "{narrow}");
}

/// Rows that a table does not show are only counted; those that it shows are the first.
#[test]
fn a_cut_table_has_the_first_rows_and_counts_the_others() {
    let folder = Folder::new();
    for sql in [
        "SELECT key, mean_ms FROM lut WHERE macs > 0 ORDER BY mean_ms DESC",
        "SELECT * FROM lut",
        "SELECT op, COUNT(*) AS n FROM lut GROUP BY op ORDER BY n DESC, op",
        "SELECT DISTINCT op FROM lut ORDER BY op",
    ] {
        let job = Job { format: Format::Table, ..folder.job(sql, &["lut.parquet"]) };
        let whole = printed(&job).unwrap();
        let cut = printed(&Job { rows: 2, ..job }).unwrap();
        let (cut, whole): (Vec<&str>, Vec<&str>) = (cut.lines().collect(), whole.lines().collect());
        let words = |line: &&str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            cut[2..4].iter().map(words).collect::<Vec<_>>(),
            whole[2..4].iter().map(words).collect::<Vec<_>>(),
            "{sql}"
        );
        assert!(cut[4].starts_with(&format!("{} row", whole.len() - 4)), "{sql}: {cut:?}");
    }
}

#[test]
fn an_answer_is_written_over_no_input() {
    let folder = Folder::new();
    let before = fs::read(folder.path("lut.parquet")).unwrap();
    fs::hard_link(folder.path("lut.parquet"), folder.path("other.parquet")).unwrap();
    for name in ["lut.parquet", "other.parquet"] {
        for source in ["lut.parquet", "l*.parquet"] {
            let job = Job { output: Some(folder.path(name)), ..folder.job("SELECT 1 AS x", &[source]) };
            let problem = printed(&job).unwrap_err().to_string();
            assert!(problem.contains("overwrite an input"), "{name}: {problem}");
        }
    }
    assert_eq!(fs::read(folder.path("lut.parquet")).unwrap(), before);
    let job = Job { output: Some(folder.path("a.xlsx")), ..folder.job("SELECT 1 AS x", &[]) };
    assert!(printed(&job).unwrap_err().to_string().contains("extension"));
}
