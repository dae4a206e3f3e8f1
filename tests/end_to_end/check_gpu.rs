//! `scripts/check-gpu.sh` without a GPU: what it does when all is well, when a program hangs, and when one breaks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use nasprof_testkit::skip::skip;
use serde_json::Value;

use crate::harness::Folder;

/// Runs the script; `None` without Python.
fn check(folder: &Folder, programs: &Path, more: &[&str]) -> Option<Output> {
    if Command::new("python3").arg("--version").output().is_err() {
        skip("no python3");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/check-gpu.sh");
    let mut command = Command::new(script);
    command.arg("--programs").arg(programs).arg("-o").arg(folder.path("results"));
    Some(command.args(["--dry-run"]).args(more).env("PYTHON", "python3").output().unwrap())
}

/// The rows of the table: check, claim, figure, ok.
fn table(folder: &Folder) -> Vec<[String; 4]> {
    let rows: Vec<Value> = serde_json::from_slice(&folder.read("results/table.json")).unwrap();
    let cell = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    rows.iter().map(|row| ["check", "claim", "figure", "ok"].map(|name| cell(row, name))).collect()
}

/// A program that is a shell script.
fn fake(folder: &Folder, name: &str, script: &str) {
    let path = folder.path(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_holds_is_ok_and_all_that_was_said_is_kept() {
    let folder = Folder::new();
    let programs = Path::new(env!("CARGO_BIN_EXE_nasprof")).parent().unwrap();
    let only = ["device_check", "cifar", "halves", "energy"].map(|name| ["--only", name]).concat();
    let Some(ran) = check(&folder, programs, &only) else { return };
    let words = String::from_utf8_lossy(&ran.stdout);
    let rows = table(&folder);
    let named = |claim: &str| {
        rows.iter().find(|row| row[1].starts_with(claim)).unwrap_or_else(|| panic!("no {claim}: {words}"))
    };
    assert_eq!(named("devices check")[3], "ok", "{words}");
    assert_eq!(named("scale between")[3], "ok", "{words}");
    assert_eq!(named("a LUT in float16")[3], "ok", "{words}");
    assert_eq!(named("power while networks run")[3], "ok", "{words}");
    assert!(named("MAPE of queue")[2].contains(" %"), "{words}");
    assert!(words.starts_with("Dry run without a GPU"), "{words}");
    let kept = fs::read_dir(folder.path("results/cifar")).unwrap().count();
    assert!(kept >= 6, "commands, outputs and errors: {kept}");
}

/// Each check has its seconds for sure; they are in the plan that `--list` prints.
#[test]
fn all_checks_fit_into_eight_minutes() {
    let folder = Folder::new();
    let Some(listed) = check(&folder, &folder.path("nowhere"), &["--list"]) else { return };
    let words = String::from_utf8(listed.stdout).unwrap();
    let seconds = |line: &str| line.split_whitespace().next().and_then(|word| word.parse::<u32>().ok());
    let (last, checks) = words.trim_end().rsplit_once('\n').map(|(checks, last)| (last, checks)).unwrap();
    let sum: u32 = checks.lines().filter_map(seconds).sum();
    assert!(last.ends_with("seconds together") && seconds(last) == Some(sum), "{words}");
    // What a program that hangs takes to end comes on top.
    assert!((300..=470).contains(&sum), "{words}");
    for check in ["compute", "steps", "cifar", "imagenet", "kernels", "winner", "halves", "repeatable", "graphs"] {
        assert!(checks.contains(&format!(" {check} ")), "no {check} in {words}");
    }
}

#[test]
fn a_check_that_hangs_or_breaks_does_not_stop_the_rest() {
    let folder = Folder::new();
    fs::create_dir(folder.path("programs")).unwrap();
    fake(
        &folder,
        "programs/nasprof",
        "case \"$1 $2\" in 'devices check') sleep 1000 ;; *) echo 'error: it broke' >&2; exit 1 ;; esac",
    );
    let only = ["--only", "device_check", "--only", "cifar", "--only", "compute", "--seconds", "7"];
    let Some(ran) = check(&folder, &folder.path("programs"), &only) else { return };
    assert_eq!(ran.status.code(), Some(3), "{}", String::from_utf8_lossy(&ran.stderr));
    let rows = table(&folder);
    for check in ["device_check", "cifar", "compute"] {
        assert!(rows.iter().any(|row| row[0] == check && row[3] == "NOT OK"), "{check}: {rows:?}");
    }
    assert!(rows.iter().any(|row| row[2].contains("it broke")), "{rows:?}");
    // The control: without programs nothing is checked, and that is no success either.
    let none = check(&folder, &folder.path("nowhere"), &[]).unwrap();
    assert_eq!(none.status.code(), Some(1));
}
