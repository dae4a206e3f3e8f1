//! The snippets of the pages about searching are parsed as written.
use std::fs;
use std::path::Path;

use nasprof_search::config::Experiment;
use toml::Table;

const GUIDE: &str = concat!(
    include_str!("../../../docs/search.md"),
    include_str!("../../../docs/train.md"),
    include_str!("../../../docs/data-sets.md"),
    include_str!("../../../docs/own-searcher.md"),
);

fn snippets() -> Vec<&'static str> {
    GUIDE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

fn parse(table: &Table) -> Experiment {
    Experiment::parse(&toml::to_string(table).unwrap(), &[]).unwrap_or_else(|e| panic!("{e}\n{table}"))
}

#[test]
fn every_snippet_is_part_of_an_experiment() {
    let snippets = snippets();
    let whole: Table = toml::from_str(snippets[0]).unwrap();
    assert!(parse(&whole).searcher.is_some());
    assert!(snippets.len() >= 6);
    for snippet in &snippets[1..] {
        let mut experiment = whole.clone();
        experiment.extend(toml::from_str::<Table>(snippet).unwrap());
        parse(&experiment);
    }
}

/// The quoted code is part of the example, which is compiled.
#[test]
fn the_searcher_is_quoted_from_the_example() {
    let example = include_str!("../../../examples/own_searcher.rs");
    assert!(example.lines().count() < 80, "the example is too long to teach");
    let quotes: Vec<&str> =
        GUIDE.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap().trim_end()).collect();
    assert!(quotes.len() >= 4);
    for quote in quotes {
        assert!(example.contains(quote), "not in the example:\n{quote}");
    }
}

#[test]
fn every_file_that_is_named_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let named: Vec<&str> = GUIDE.split_whitespace().filter(|word| word.starts_with("configs/experiments/")).collect();
    assert!(!named.is_empty());
    for name in named {
        assert!(fs::exists(root.join(name)).unwrap(), "{name}");
    }
}

/// The guide lists every value of every enumerated key.
#[test]
fn every_choice_is_listed() {
    let fails = |set: &str| {
        let table: Table = toml::from_str(snippets()[0]).unwrap();
        Experiment::parse(&toml::to_string(&table).unwrap(), &[set.to_owned()]).unwrap_err().to_string()
    };
    for set in [
        "searcher.kind=?",
        "regularizers.0.kind=?",
        "regularizers.0.quantity=?",
        "optimizers.weights.kind=?",
        "optimizers.weights.schedule.kind=?",
        "data.dataset=?",
        "data.transform=?",
        "data.train_transform=[{step=\"?\"}]",
    ] {
        let message = fails(set);
        let known: Vec<&str> = message.split("expected").nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(known.len() > 1, "{message}");
        let words: Vec<&str> = GUIDE.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
        for name in known {
            assert!(words.contains(&name), "`{name}` is missing");
        }
    }
}
