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
    let other = format!("{MEASURE} --resume --ci 0.01 --seed 3");
    folder.fails(&other, 2, "ci is 0.02 there, 0.01 is asked for; seed is 0 there, 3 is asked for");
    assert_eq!(folder.read("a.journal.jsonl"), before);
}

/// A complete measurement is not shown as if it ran again; the control is one that has something left to do.
#[test]
fn a_complete_measurement_says_so() {
    let folder = Folder::new();
    let first = folder.run(MEASURE);
    assert!(first.stderr.contains("planned") && first.stderr.contains("round 1"), "{}", first.stderr);
    let again = folder.run(&format!("{MEASURE} --resume"));
    assert_eq!((again.code, &again.stdout), (Some(0), &first.stdout));
    assert_eq!(again.stderr.trim(), "a.journal.jsonl: complete; nothing is left to measure");
    let journal = folder.read("a.journal.jsonl");
    fs::write(folder.path("a.journal.jsonl"), &journal[..journal.len() / 2]).unwrap();
    let rest = folder.run(&format!("{MEASURE} --resume"));
    assert!(rest.stderr.contains("visits are recorded; going on") && rest.stderr.contains("round"), "{}", rest.stderr);
    assert!(!rest.stderr.contains("planned") && !rest.stderr.contains("session 1/2: round 1,"), "{}", rest.stderr);
    assert_eq!(folder.read("a.journal.jsonl"), journal);
}

/// Measured anew where a measurement stands only when asked to, and not before the machine is quiet enough.
#[test]
fn a_measurement_is_overwritten_when_asked() {
    let folder = Folder::new();
    folder.ok(MEASURE);
    let before = folder.read("a.journal.jsonl");
    let other = format!("{MEASURE} --seed 3");
    let refused = folder.fails(&other, 2, "a.journal.jsonl exists");
    assert!(
        refused.stderr.contains("--resume goes on") && refused.stderr.contains("--overwrite"),
        "{}",
        refused.stderr
    );
    folder.fails(&format!("{other} --resume --overwrite"), 2, "--overwrite");
    folder.fails("measure --device synthetic:busy --space small.toml -o a.parquet --overwrite", 4, "too noisy");
    assert_eq!(folder.read("a.journal.jsonl"), before);
    folder.ok(&format!("{other} --overwrite"));
    let fresh = Folder::new();
    fresh.ok(&other);
    assert_eq!(folder.read("a.journal.jsonl"), fresh.read("a.journal.jsonl"));
    assert_eq!(folder.read("a.parquet"), fresh.read("a.parquet"));
    let names = fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.filter(|name| name.contains("replaced")).count() == 0);
    // Also what cannot be read, which --resume cannot go on with.
    fs::write(folder.path("a.journal.jsonl"), "no journal\n").unwrap();
    folder.fails(&format!("{other} --resume"), 2, "a.journal.jsonl");
    folder.ok(&format!("{other} --overwrite"));
    assert_eq!(folder.read("a.journal.jsonl"), fresh.read("a.journal.jsonl"));
    // A validation's journal is treated alike.
    let validate = "validate --device synthetic:quiet --lut a.parquet --space small.toml -n 2 --journal v.jsonl";
    folder.ok(validate);
    folder.fails(validate, 2, "--journal v.jsonl: it exists");
    folder.ok(&format!("{validate} --overwrite"));
}

/// A LUT from part of a measurement is no secret.
#[test]
fn what_a_journal_does_not_hold_is_said() {
    let folder = Folder::new();
    folder.ok(MEASURE);
    let rebuild = || folder.run("lut rebuild a.journal.jsonl -o b.parquet");
    let whole = rebuild();
    assert!(whole.code == Some(0) && whole.stderr.is_empty(), "{}", whole.stderr);
    let journal = folder.read("a.journal.jsonl");
    fs::write(folder.path("a.journal.jsonl"), &journal[..journal.len() - 20]).unwrap();
    let part = rebuild();
    let number = journal.iter().filter(|&&b| b == b'\n').count();
    assert!(part.stderr.contains(&format!("line {number} was cut off")), "{}", part.stderr);
    assert!(part.stderr.contains("not complete") && part.stderr.contains("--resume"), "{}", part.stderr);
}
