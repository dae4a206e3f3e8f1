//! Kill -9 at any moment: what was measured is kept, and the resumed LUT has the same bytes.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::harness::Folder;

const MEASURE: &str = "measure --device synthetic:quiet --space small.toml -o a.parquet";

#[test]
fn a_journal_cut_anywhere_gives_the_same_lut() {
    let whole = Folder::new();
    whole.ok(MEASURE);
    let journal = whole.read("a.journal.jsonl");
    for cut in (0..=8).map(|i| (journal.len() * i / 8).saturating_sub(i * 13)).filter(|&c| c > 3000) {
        let folder = Folder::new();
        fs::write(folder.path("a.journal.jsonl"), &journal[..cut]).unwrap();
        folder.fails(MEASURE, 2, "--resume");
        folder.ok(&format!("{MEASURE} --resume"));
        assert_eq!(folder.read("a.parquet"), whole.read("a.parquet"), "cut at {cut}");
        assert_eq!(folder.read("a.journal.jsonl"), journal, "cut at {cut}");
    }
    let other = Folder::new();
    other.ok(&format!("{MEASURE} --seed 1"));
    assert_ne!(other.read("a.parquet"), whole.read("a.parquet"));
}

#[test]
fn killed_and_resumed() {
    let whole = Folder::new();
    whole.ok(MEASURE);
    for milliseconds in [5, 20, 50, 100] {
        let folder = Folder::new();
        let mut child = folder.command(MEASURE).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
        let begun = fs::metadata(folder.path("a.journal.jsonl")).is_ok_and(|m| m.len() > 0);
        if !begun {
            // Killed before the first line: there is nothing to resume, and nothing in the way.
            let _ = fs::remove_file(folder.path("a.journal.jsonl"));
        }
        folder.ok(&format!("{MEASURE} --resume"));
        assert_eq!(folder.read("a.parquet"), whole.read("a.parquet"), "killed after {milliseconds} ms");
    }
}

#[test]
fn a_second_run_does_nothing_and_other_options_are_refused() {
    let folder = Folder::new();
    folder.ok(MEASURE);
    let before = folder.read("a.journal.jsonl");
    folder.ok(&format!("{MEASURE} --resume"));
    assert_eq!(folder.read("a.journal.jsonl"), before);
    folder.fails(&format!("{MEASURE} --resume --ci 0.01"), 2, "does not fit");
    assert_eq!(folder.read("a.journal.jsonl"), before);
}
