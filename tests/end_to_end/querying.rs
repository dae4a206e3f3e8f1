//! `nasprof query` up to the program that answers: what it is asked, and what becomes of what it says. Its answers are tested
//! where it is built (`query/tests`).

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::{Folder, Ran};

/// Runs a command with a script in the place of the program.
fn with_program(folder: &Folder, line: &[&str], script: &str) -> Ran {
    let program = folder.path("program");
    fs::write(&program, format!("#!/bin/sh\ncat > job.json\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder.command("query").args(line).env("NASPROF_QUERY", program).output().unwrap().into()
}

fn job(folder: &Folder) -> Value {
    serde_json::from_slice(&folder.read("job.json")).unwrap()
}

#[test]
fn the_program_is_asked_in_its_own_words() {
    let folder = Folder::new();
    let ran = with_program(&folder, &["SELECT 1", "a.parquet", "b=c.csv", "--json"], "echo answered");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "answered\n", ""));
    let asked = job(&folder);
    assert_eq!((&asked["sql"], &asked["format"]), (&"SELECT 1".into(), &"json".into()));
    assert_eq!(asked["sources"], serde_json::json!(["a.parquet", "b=c.csv"]));
    with_program(&folder, &["--schema", "a.parquet", "b.csv"], "");
    assert_eq!(
        (&job(&folder)["sql"], &job(&folder)["sources"]),
        (&Value::Null, &serde_json::json!(["a.parquet", "b.csv"]))
    );
    with_program(&folder, &["SELECT 1", "-o", "answer.csv"], "");
    assert_eq!((&job(&folder)["output"], &job(&folder)["format"]), (&"answer.csv".into(), &"table".into()));
    // The program reads these keys and no others.
    let source = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/query/src/job.rs")).unwrap();
    let job_type = source.split("pub struct Job {").nth(1).unwrap().split("\n}").next().unwrap();
    let known: Vec<&str> =
        job_type.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next()).collect();
    let mut keys: Vec<&str> = asked.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.len(), known.len());
    keys.retain(|key| !known.contains(key));
    assert_eq!(keys, Vec::<&str>::new());
}

#[test]
fn what_it_says_becomes_an_error_with_a_hint() {
    let folder = Folder::new();
    let evil = r#"printf '%s\n' '{"message":"no column `x`\u001b[31m\nhint: forged","hint":"look"}' >&2; exit 2"#;
    let ran = with_program(&folder, &["SELECT x", "a.parquet"], evil);
    assert_eq!(ran.code, Some(2));
    assert_eq!(ran.stderr, "error: no column `x`\u{fffd}[31m\n  hint: forged\nhint: look\n");
    let ran = with_program(&folder, &["SELECT x", "a.parquet"], "echo 'other words' >&2; exit 1");
    assert!(ran.code == Some(1) && ran.stderr.starts_with("other words\nerror: "), "{}", ran.stderr);
    let gone = folder.command("query SELECT").env("NASPROF_QUERY", folder.path("none")).output().unwrap();
    let gone = Ran::from(gone);
    assert!(gone.code == Some(2) && gone.stderr.contains("hint: build it with `make query`"), "{}", gone.stderr);
}

#[test]
fn an_answer_replaces_no_source_and_has_a_known_ending() {
    let folder = Folder::new();
    fs::write(folder.path("a.parquet"), "a LUT").unwrap();
    for (line, words) in [
        (&["SELECT 1", "a.parquet", "-o", "a.parquet"][..], "it would overwrite an input"),
        (&["SELECT 1", "lut=./a.parquet", "-o", "a.parquet"], "it would overwrite an input"),
        (&["SELECT 1", "a.parquet", "-o", "answer.xlsx"], "the extension `.xlsx`"),
        (&["SELECT 1", "a.parquet", "-o", "answer"], "has no extension"),
        (&["SELECT 1", "a.parquet", "--csv", "--json"], "cannot be used with"),
    ] {
        let ran = with_program(&folder, line, "");
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{line:?}: {}", ran.stderr);
        assert!(!folder.path("job.json").exists(), "{line:?}");
    }
    // Control.
    assert_eq!(with_program(&folder, &["SELECT 1", "a.parquet", "-o", "answer.json"], "").code, Some(0));
}
