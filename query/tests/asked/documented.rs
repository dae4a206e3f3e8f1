//! The page on queries shows what they answer. After a change: `NASPROF_WRITE_DOCS=1 make query-test`.

use std::fs;
use std::path::{Path, PathBuf};

use nasprof_query::{Format, Job};

use crate::harness::{Folder, printed, published};

const OPEN: &str = "```\nnasprof query ";
const ANSWER: &str = "\n```\n\n```text\n";

/// The page, its queries answered anew.
fn answered(page: &str, folder: &Folder) -> (String, usize) {
    let (mut text, mut rest, mut seen) = (String::new(), page, 0);
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (command, after) = after.split_once(ANSWER).expect("an answer follows each query");
        let (_, after) = after.split_once("```").expect("a block ends");
        text += &format!("{before}{OPEN}{command}{ANSWER}{}```", answer(command, folder));
        (rest, seen) = (after, seen + 1);
    }
    (text + rest, seen)
}

fn answer(command: &str, folder: &Folder) -> String {
    let mut words = words(command).into_iter();
    let sql = words.next().unwrap();
    let sources = words.map(|name| path(&name, folder).display().to_string()).collect();
    printed(&Job { sources, format: Format::Table, ..folder.job(&sql, &[]) })
        .unwrap_or_else(|e| panic!("{command}: {e}"))
}

/// As a shell splits them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Where the page's files are.
fn path(name: &str, folder: &Folder) -> PathBuf {
    match name {
        "lut.csv" => published("2026-11-24-2-core-vm/lut.csv"),
        "validation.json" => copy(&published("2026-11-24-2-core-vm/validate-100.json"), folder, name),
        "here.parquet" => published("2026-11-26-2-core-vm-ssh-loopback/here.parquet"),
        "ssh.parquet" => published("2026-11-26-2-core-vm-ssh-loopback/ssh.parquet"),
        "small.journal.jsonl" => copy(&folder.path("lut.journal.jsonl"), folder, name),
        "small.parquet" => copy(&folder.path("lut.parquet"), folder, name),
        "small.toml" => folder.path(name),
        other => panic!("the page does not say what {other} is"),
    }
}

fn copy(from: &Path, folder: &Folder, name: &str) -> PathBuf {
    fs::copy(from, folder.path(name)).unwrap();
    folder.path(name)
}

#[test]
fn queries_have_the_answers_of_the_page() {
    let folder = Folder::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/query.md");
    let page = fs::read_to_string(&path).unwrap();
    let (now, seen) = answered(&page, &folder);
    assert!(seen >= 10, "{seen}");
    if std::env::var_os("NASPROF_WRITE_DOCS").is_some() {
        fs::write(path, now).unwrap();
        return;
    }
    let difference = page.lines().zip(now.lines()).find(|(page, now)| page != now);
    assert!(page == now, "docs/query.md is not up to date: {difference:?}");
    // A control: another number is noticed.
    let number = page.rfind(|c: char| c.is_ascii_digit()).unwrap();
    let changed = format!("{}x{}", &page[..number], &page[number + 1..]);
    assert!(answered(&changed, &folder).0 != changed);
}
