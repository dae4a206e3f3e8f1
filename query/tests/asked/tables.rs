//! Files are the tables that they should be: compared with what nasprof itself makes of them.

use std::collections::BTreeMap;
use std::fs;

use nasprof_graph::arch::ArchFile;
use nasprof_lut::{Estimator, Validation};

use crate::harness::{Folder, printed, published, small};

#[test]
fn a_lut_is_the_same_table_in_every_format() {
    let folder = Folder::new();
    for ending in ["csv", "json"] {
        nasprof_lut::write(&folder.lut, &folder.path(&format!("lut.{ending}"))).unwrap();
    }
    let all = folder.rows("SELECT * FROM lut ORDER BY key", &["lut.parquet"]);
    assert_eq!(all.len(), folder.lut.rows.len());
    for ending in ["csv", "json"] {
        assert_eq!(folder.rows("SELECT * FROM lut ORDER BY key", &[&format!("lut.{ending}")]), all, "{ending}");
    }
    for (row, lut) in all.iter().zip(&folder.lut.rows) {
        let times = lut.times.as_ref().unwrap();
        assert_eq!(row["key"], lut.key.as_str());
        assert_eq!(row["mean_ns"].as_f64(), Some(times.mean_ns));
        assert_eq!(row["ci_high_ms"].as_f64(), times.ci_high_ns.map(|ns| ns / 1e6));
        assert_eq!((row["macs"].as_u64(), row["n_samples"].as_u64()), (Some(lut.macs), Some(times.n_samples)));
        assert_eq!(row["device"], "synthetic:preempted");
    }
    // Every column of the page on files is there, but for one that is another's copy.
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/formats.md")).unwrap();
    let part = page.split("## LUT").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = part.lines().filter(|line| line.starts_with("| `")).map(|line| line.split('|').nth(1).unwrap());
    let columns: Vec<&str> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(columns.len() > 25, "{columns:?}");
    for column in columns.iter().filter(|column| **column != "count") {
        assert!(all[0].get(column).is_some(), "no column {column}");
    }
}

#[test]
fn a_failed_layer_has_no_times() {
    let folder = Folder::new();
    let mut lut = folder.lut.clone();
    lut.rows[0].times = None;
    lut.rows[0].error = Some("does not run".to_owned());
    nasprof_lut::write(&lut, &folder.path("failed.parquet")).unwrap();
    let rows = folder.rows("SELECT error, mean_ms, n_visits FROM failed WHERE mean_ns IS NULL", &["failed.parquet"]);
    assert_eq!(rows, [serde_json::json!({"error": "does not run", "mean_ms": null, "n_visits": null})]);
    let all = folder.rows("SELECT COUNT(mean_ns) AS n FROM failed", &["failed.parquet"]);
    assert_eq!(all[0]["n"].as_u64(), Some(lut.rows.len() as u64 - 1));
}

/// The samples of a journal are those that its LUT was made of.
#[test]
fn a_journal_has_the_samples_of_its_lut() {
    let folder = Folder::new();
    let sql =
        "SELECT key, COUNT(*) AS n, MIN(ns) AS fastest FROM journal WHERE clean AND layer IS NOT NULL GROUP BY key";
    let rows = folder.rows(sql, &["lut.journal.jsonl"]);
    let of: BTreeMap<String, (u64, f64)> = rows
        .iter()
        .map(|row| {
            (row["key"].as_str().unwrap().to_owned(), (row["n"].as_u64().unwrap(), row["fastest"].as_f64().unwrap()))
        })
        .collect();
    assert_eq!(of.len(), folder.lut.rows.len());
    for row in &folder.lut.rows {
        let times = row.times.as_ref().unwrap();
        let (count, fastest) = of[row.key.as_str()];
        assert_eq!(count, times.n_samples, "{}", row.key);
        // A row may stand at another level of the machine than its samples.
        assert!((fastest / times.min_ns.unwrap() - 1.0).abs() < 0.1, "{}: {fastest}", row.key);
    }
    // Control: the others are there, and say that they do not count.
    let all = folder.rows("SELECT COUNT(*) AS n FROM journal WHERE layer IS NOT NULL", &["lut.journal.jsonl"]);
    let clean: u64 = of.values().map(|(n, _)| n).sum();
    assert!(all[0]["n"].as_u64().unwrap() > clean, "a device that is interrupted has samples that do not count");
    let columns = folder.rows("SELECT * FROM journal LIMIT 1", &["lut.journal.jsonl"]);
    let names: Vec<&String> = columns[0].as_object().unwrap().keys().collect();
    let mut wanted = ["session", "round", "visit", "workload", "layer", "key", "ns", "clean"];
    wanted.sort_unstable();
    let mut names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, wanted);
}

/// Numbers of a journal can be subtracted from: the answer is negative where it should be.
#[test]
fn numbers_have_a_sign() {
    let folder = Folder::new();
    let sql = "SELECT MIN(session) - 1 AS s, MIN(round) - 2 AS r, MIN(workload) - 9 AS w, MIN(visit) - 99 AS v, \
               MIN(layer) - 1 AS l FROM journal";
    let row = &folder.rows(sql, &["lut.journal.jsonl"])[0];
    let of = |name: &str| row[name].as_i64().unwrap();
    assert_eq!((of("s"), of("r"), of("w"), of("v"), of("l")), (-1, -1, -9, -95, -1), "{row}");
    // They have 64 bits.
    let sql = "SELECT round, round * 2000000000 AS n FROM journal ORDER BY round DESC LIMIT 1";
    let row = &folder.rows(sql, &["lut.journal.jsonl"])[0];
    let (round, product) = (row["round"].as_i64().unwrap(), row["n"].as_i64());
    assert!(round > 1 && product == Some(round * 2_000_000_000), "{row}");
    for (sql, expected) in [
        ("SELECT COUNT(*) - 40 AS n FROM lut", -2),
        ("SELECT n - 40 AS n FROM (SELECT COUNT(key) AS n FROM lut)", -2),
        ("SELECT COUNT(DISTINCT space) - 2 AS n FROM lut", -1),
        ("SELECT LENGTH('abc') - 4 AS n FROM lut LIMIT 1", -1),
        ("SELECT n - 2 AS n FROM (SELECT ROW_NUMBER() OVER (ORDER BY key) AS n FROM lut) ORDER BY n LIMIT 1", -1),
        ("SELECT COUNT(*) - 40 AS n FROM lut GROUP BY device HAVING COUNT(*) > 1 ORDER BY COUNT(*) LIMIT 1", -2),
    ] {
        let rows = folder.rows(sql, &["lut.parquet"]);
        assert_eq!(rows[0]["n"].as_i64(), Some(expected), "{sql}: {rows:?}");
    }
}

/// Columns of a journal that a query does not use are not read; its answer is the same, and so is what is said of a wrong name.
#[test]
fn a_journal_has_the_columns_that_are_used() {
    let folder = Folder::new();
    let count = |sql: &str| folder.rows(sql, &["lut.journal.jsonl"])[0]["n"].as_u64().unwrap();
    let all = folder.rows("SELECT * FROM journal", &["lut.journal.jsonl"]);
    assert_eq!(count("SELECT COUNT(*) AS n FROM journal"), all.len() as u64);
    assert_eq!(count("SELECT COUNT(*) AS n FROM (SELECT 1 AS x FROM journal) AS t"), all.len() as u64);
    for name in ["session", "round", "visit", "workload", "layer", "key", "ns", "clean"] {
        let rows = folder.rows(&format!("SELECT {name} FROM journal"), &["lut.journal.jsonl"]);
        assert!(rows.iter().zip(&all).all(|(row, all)| row[name] == all[name]) && rows.len() == all.len(), "{name}");
    }
    let refused = folder.refused("SELECT sesion FROM journal", &["lut.journal.jsonl"]);
    assert!(refused.contains("line 1, column 8") && refused.contains("did you mean `session`"), "{refused}");
    // A LUT has no session that could be meant.
    let refused = folder.refused("SELECT sesion FROM lut", &["lut.parquet"]);
    assert!(!refused.contains("`session`"), "{refused}");
}

/// A journal is read in parts; its rows are all there, in their order, and what comes later decides what counts.
#[test]
fn a_journal_of_several_parts_is_one_table() {
    use nasprof_profiler::journal::{Event, Writer};
    let folder = Folder::new();
    let events = nasprof_profiler::journal::read_file(&folder.path("lut.journal.jsonl")).unwrap().events;
    let first = events.iter().position(|event| matches!(event, Event::Visit { .. })).unwrap();
    let Event::Visit { visit, .. } = &events[first] else { unreachable!() };
    let mut writer = Writer::create(&folder.path("long.jsonl")).unwrap();
    events[..first].iter().for_each(|event| writer.append(event).unwrap());
    let rows = visit.layers.iter().chain(&visit.whole).map(|run| run.ns.len() as u64).sum::<u64>();
    let per_visit = 200;
    let visits = 1_300_000 / (rows * per_visit) + 1;
    for sequence in 0..visits {
        let mut visit = visit.clone();
        visit.sequence = sequence;
        let repeated = |runs: &[nasprof_profiler::protocol::Run]| {
            let clean = runs.iter().cloned().map(|run| nasprof_profiler::protocol::Run { switches: 0, ..run });
            std::iter::repeat_n(clean.collect::<Vec<_>>(), per_visit as usize).flatten().collect()
        };
        (visit.layers, visit.whole) = (repeated(&visit.layers), repeated(&visit.whole));
        writer.append(&Event::Visit { round: 1 + (sequence + 1 == visits) as u32, visit }).unwrap();
    }
    writer.append(&Event::Void { sequences: vec![1], reason: "test".to_owned() }).unwrap();
    let Some(Event::Round { probes, .. }) = events.iter().find(|event| matches!(event, Event::Round { .. })) else {
        unreachable!()
    };
    writer.append(&Event::Round { round: 1, probes: probes.clone() }).unwrap();
    drop(writer);
    let sql = "SELECT visit, COUNT(*) AS n, SUM(CASE WHEN clean THEN 1 ELSE 0 END) AS clean FROM long GROUP BY visit \
               ORDER BY visit";
    let answer = folder.rows(sql, &["long.jsonl"]);
    assert_eq!(answer.len() as u64, visits);
    for (i, row) in answer.iter().enumerate() {
        let all = rows * per_visit;
        // The second is void, the last is of a round that has no end.
        let clean = if i == 1 || i as u64 + 1 == visits { 0 } else { all };
        assert_eq!((row["n"].as_u64(), row["clean"].as_u64()), (Some(all), Some(clean)), "visit {i}");
    }
}

#[test]
fn a_validation_has_its_errors() {
    let folder = Folder::new();
    let path = published("2026-11-24-2-core-vm/validate-100.json");
    fs::copy(&path, folder.path("v.json")).unwrap();
    let validation = Validation::parse(&fs::read_to_string(path).unwrap()).unwrap();
    let rows =
        folder.rows("SELECT AVG(ABS(error)) AS mape, AVG(error) AS bias, COUNT(*) AS n FROM validation", &["v.json"]);
    assert_eq!(rows[0]["n"].as_u64(), Some(validation.n as u64));
    assert!((rows[0]["mape"].as_f64().unwrap() - validation.mape).abs() < 1e-9, "{rows:?} {}", validation.mape);
    assert!((rows[0]["bias"].as_f64().unwrap() - validation.bias).abs() < 1e-9, "{rows:?} {}", validation.bias);
}

#[test]
fn a_run_has_its_epochs_and_candidates() {
    let folder = Folder::new();
    let rows = folder.rows("SELECT epoch, \"train/error\" FROM epochs ORDER BY loss", &["run"]);
    let wanted =
        [serde_json::json!({"epoch": 2.0, "train/error": null}), serde_json::json!({"epoch": 1.0, "train/error": 0.9})];
    assert_eq!(rows, wanted);
    let named = folder.rows("SELECT candidate, probability FROM mine_candidates", &["mine=run"]);
    assert_eq!(named, [serde_json::json!({"candidate": "MB3 3x3", "probability": 0.5})]);
}

/// Architectures have the latency that an estimate of them says.
#[test]
fn architectures_of_a_space_are_estimated() {
    let folder = Folder::new();
    let sql = "SELECT * FROM space('small', 20) ORDER BY latency_ms";
    let rows = folder.rows(sql, &["small.toml", "lut.parquet"]);
    assert_eq!(rows.len(), 20);
    assert_eq!(folder.rows(sql, &["small.toml", "lut.parquet"]), rows, "the seed is 0");
    assert_ne!(
        folder.rows("SELECT * FROM space('small', 20, 1) ORDER BY latency_ms", &["small.toml", "lut.parquet"]),
        rows
    );
    let (space, estimator) = (small(), Estimator::new(&folder.lut));
    for row in &rows {
        let arch = ArchFile::parse(row["arch"].as_str().unwrap()).unwrap().resolve("small", &space.choices).unwrap();
        let network = folder.lut.context.header.runtime.subnet(&space.graph, &arch).unwrap();
        let estimate = estimator.estimate(&network);
        assert_eq!(row["latency_ms"].as_f64(), estimate.latency_ms);
        assert_eq!(row["macs"].as_u64(), Some(estimate.macs));
        for (choice, candidate) in space.choices.iter().zip(&arch.0) {
            assert_eq!(row[&choice.name], choice.candidates[*candidate as usize].as_str());
        }
    }
    // Without a LUT there is no latency, and sizes are known.
    let unknown = folder.rows("SELECT latency_ms, macs FROM space('small', 1)", &["small.toml"]);
    assert!(unknown[0]["latency_ms"].is_null() && unknown[0]["macs"].as_u64() > Some(0), "{unknown:?}");
    let builtin = folder.rows("SELECT COUNT(*) AS n FROM space('mobilenet-cifar10', 3) AS s", &[]);
    assert_eq!(builtin[0]["n"].as_u64(), Some(3));
}

#[test]
fn tables_are_named_by_files_names_or_patterns() {
    let folder = Folder::new();
    fs::copy(folder.path("lut.parquet"), folder.path("board-a.parquet")).unwrap();
    fs::copy(folder.path("lut.parquet"), folder.path("board-b.parquet")).unwrap();
    let n = folder.lut.rows.len() as u64;
    let count = |table: &str, sources: &[&str]| {
        folder.rows(&format!("SELECT COUNT(*) AS n FROM {table}"), sources)[0]["n"].as_u64().unwrap()
    };
    assert_eq!(count("lut", &["board-a.parquet"]), n, "the only LUT");
    assert_eq!(count("board_a", &["board-a.parquet", "board-b.parquet"]), n);
    assert_eq!(count("slow", &["slow=board-a.parquet", "board-b.parquet"]), n);
    assert_eq!(count("lut", &["board-*.parquet"]), 2 * n);
    assert_eq!(count("boards", &["boards=board-*.parquet", "lut.parquet"]), 2 * n);
    assert_eq!(count("journal", &["lut.parquet", "j=lut.journal.jsonl"]), count("j", &["j=lut.journal.jsonl"]));
    let files = folder.rows("SELECT file, COUNT(*) AS n FROM lut GROUP BY file ORDER BY file", &["board-*.parquet"]);
    assert!(files[0]["file"].as_str().unwrap().ends_with("board-a.parquet") && files.len() == 2, "{files:?}");
    // Two LUTs have no table `lut`, two files of one name none at all, and files of two kinds are no one table.
    assert!(folder.refused("SELECT * FROM lut", &["board-a.parquet", "board-b.parquet"]).contains("no table `lut`"));
    let twice = folder.refused("SELECT 1", &["lut.parquet", "lut=lut.journal.jsonl"]);
    assert!(twice.contains("two sources have the table name `lut`") && twice.contains("NAME=PATH"), "{twice}");
    assert!(folder.refused("SELECT 1", &["lut.*"]).contains("not one table"));
    assert!(folder.refused("SELECT 1", &["none-*.parquet"]).contains("no file matches"));
    assert!(folder.refused("SELECT 1", &["a b=lut.parquet"]).contains("is not a table name"));
}

#[test]
fn the_schema_lists_what_there_is() {
    let folder = Folder::new();
    let job = nasprof_query::Job { sql: None, ..folder.job("", &["lut.parquet", "run", "small.toml"]) };
    let text = printed(&job).unwrap();
    for line in [
        "{\"table\":\"lut\",\"rows\":38,\"column\":\"mean_ms\",\"type\":\"real\"}",
        "\"column\":\"key\",\"type\":\"text\"}",
        "\"column\":\"macs\",\"type\":\"integer\"}",
        "{\"table\":\"run_epochs\",\"rows\":2,\"column\":\"train/error\",\"type\":\"real\"}",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
