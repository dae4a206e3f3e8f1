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

/// A journal that an older version began names the space by another digest: the measurement goes on, and leaves it.
#[test]
fn a_journal_of_an_older_version_goes_on() {
    let folder = Folder::new();
    folder.ok(MEASURE);
    let space = nasprof_spaces::SpaceSpec::parse(crate::harness::SPACE).unwrap().build("small").unwrap().graph;
    // As versions before SHA-256 made it: FNV-1a of what `{:?}` prints.
    let text = format!("{:?}", (space.nodes(), space.outputs()));
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let older = format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step));
    let journal = String::from_utf8(folder.read("a.journal.jsonl")).unwrap();
    let (first, rest) = journal.split_once('\n').unwrap();
    let event = &first[first.find("\"event\":{").unwrap() + "\"event\":".len()..first.len() - 1];
    let with = |digest: &str| {
        let event = event.replacen(&space.digest(), digest, 1);
        let crc = crc32fast::hash(format!("0:{event}").as_bytes());
        format!("{{\"sequence\":0,\"crc\":\"{crc:08x}\",\"event\":{event}}}\n{rest}")
    };
    assert_eq!(with(&space.digest()), journal);
    assert_ne!(with(&older), journal);
    let cut = journal.len() / 2;

    fs::write(folder.path("a.journal.jsonl"), &with(&older)[..cut]).unwrap();
    folder.ok(&format!("{MEASURE} --resume"));
    assert_eq!(String::from_utf8(folder.read("a.journal.jsonl")).unwrap(), with(&older));
    let arch = folder.ok("space sample small.toml -n 1");
    fs::write(folder.path("arch.json"), arch).unwrap();
    folder.ok("estimate --space small.toml --lut a.parquet --arch arch.json");
    // Control: the digest of another space is refused.
    fs::write(folder.path("a.journal.jsonl"), &with("0123456789abcdef")[..cut]).unwrap();
    folder.fails(&format!("{MEASURE} --resume"), 2, "space_digest");
}
