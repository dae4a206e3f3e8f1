//! The documentation against the program: commands run, options exist, links lead somewhere, formats are those written.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::Folder;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages with their paths.
fn pages() -> Vec<(PathBuf, String)> {
    let folders = ["docs", "docs/spaces"].map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let docs = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let paths = docs.chain(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    paths
        .filter(|p| p.extension().is_some_and(|e| e == "md"))
        .map(|p| (p.clone(), fs::read_to_string(p).unwrap()))
        .collect()
}

/// Lines of code blocks.
fn code(text: &str) -> Vec<&str> {
    text.split("```").skip(1).step_by(2).flat_map(|block| block.lines().skip(1)).collect()
}

/// Texts in backticks.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// Every page of the documentation is reached from its first one.
#[test]
fn the_index_lists_every_page() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for (path, _) in pages().iter().filter(|(p, _)| p.parent().unwrap().ends_with("docs")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || index.contains(&format!("({name})")), "docs/README.md does not link {name}");
    }
}

#[test]
fn options_in_examples_exist() {
    let folder = Folder::new();
    let mut seen = 0;
    for (path, text) in pages() {
        for line in code(&text) {
            for command in
                line.split('|').filter_map(|part| part.trim().trim_start_matches("$ ").strip_prefix("nasprof "))
            {
                let words: Vec<&str> = command.split('#').next().unwrap().split_whitespace().collect();
                let is_name = |w: &&&str| w.chars().all(|c| c.is_ascii_lowercase());
                let names: Vec<&str> = words.iter().take_while(is_name).take(2).copied().collect();
                // `devices check local`: only as many words as are subcommands.
                let help = (1..=names.len()).rev().map(|n| folder.run(&format!("{} --help", names[..n].join(" "))));
                let Some(help) = help.into_iter().find(|ran| ran.code == Some(0)) else {
                    assert!(names.is_empty(), "{}: no command `{command}`", path.display());
                    continue;
                };
                for option in words.iter().filter(|w| w.starts_with("--")) {
                    let option = option.split('=').next().unwrap();
                    assert!(help.stdout.contains(option), "{}: `{command}` has no {option}", path.display());
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 20);
}

/// Runs lines of a page in a shell, in a folder of their own.
fn typed(lines: &[&str]) -> Folder {
    let folder = Folder::new();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_nasprof"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-eo", "pipefail", "-c", &lines.join("\n")])
        .current_dir(folder.path("."))
        .env("PATH", path)
        .env("NASPROF_AGENT", program.with_file_name("nasprof-agent"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// The first page, as a newcomer types it.
#[test]
fn the_first_lut_works_as_written() {
    let text = fs::read_to_string(root().join("docs/first-lut.md")).unwrap();
    let part = text.split("## With this machine").next().unwrap();
    let lines: Vec<&str> = code(part).into_iter().filter(|l| l.contains("nasprof ") && !l.contains("cargo")).collect();
    assert!(lines.len() >= 7);
    let folder = typed(&lines);
    for page in ["validation.html", "lut.html"] {
        assert!(folder.path(page).is_file(), "{page}");
    }
}

/// The steps by hand in the README, on a device that needs no quiet machine.
#[test]
fn the_readmes_steps_work_as_written() {
    let text =
        fs::read_to_string(root().join("README.md")).unwrap().replace("--device local", "--device synthetic:quiet");
    let block =
        text.split("```").find(|block| block.contains("nasprof devices ") && block.contains("nasprof validate "));
    let lines: Vec<&str> = block.unwrap().lines().collect();
    assert!(lines.iter().filter(|line| line.contains("nasprof ")).count() >= 7);
    assert!(typed(&lines).path("lut.parquet").is_file());
}

#[test]
fn formats_are_as_written_down() {
    let folder = Folder::new();
    let all: String = pages().into_iter().map(|(_, text)| text).collect();
    let known = quoted(&all);
    folder.ok("measure --device synthetic:quiet --space small.toml -o a.parquet");
    folder.ok("lut export a.parquet -o a.csv");
    let csv = String::from_utf8(folder.read("a.csv")).unwrap();
    let columns: BTreeSet<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    for column in &columns {
        assert!(known.contains(column), "no page describes the column `{column}`");
    }
    // And the other way round.
    let formats = fs::read_to_string(root().join("docs/formats.md")).unwrap();
    let table = formats.split("## Journal").next().unwrap().lines().filter(|l| l.starts_with("| `"));
    for documented in table.flat_map(|l| quoted(l.split('|').nth(1).unwrap())) {
        assert!(columns.contains(documented), "the LUT has no column `{documented}`");
    }
    let journal = String::from_utf8(folder.read("a.journal.jsonl")).unwrap();
    for line in journal.lines() {
        let name = line.split("\"event\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(known.contains(name), "no page describes the event `{name}`");
    }
    let validation = folder.ok("validate --device synthetic:quiet --space small.toml --lut a.parquet -n 3 --json");
    let arch = folder.ok("space sample small.toml -n 1");
    fs::write(folder.path("arch.json"), &arch).unwrap();
    let estimate = folder.ok("estimate --space small.toml --lut a.parquet --arch arch.json --json");
    for text in [validation, estimate] {
        let value: Value = serde_json::from_str(&text).unwrap();
        for key in value.as_object().unwrap().keys() {
            assert!(known.contains(key.as_str()), "no page describes the key `{key}`");
        }
    }
}

/// Whoever comes from NNabla-NAS finds files and keys that are there, and every shipped experiment.
#[test]
fn the_way_from_nnabla_nas_leads_to_what_exists() {
    let page = fs::read_to_string(root().join("docs/from-nnabla-nas.md")).unwrap();
    let ours: BTreeSet<&str> =
        page.lines().filter(|l| l.starts_with("| ")).flat_map(|l| quoted(l.splitn(3, '|').nth(2).unwrap())).collect();
    let shipped: BTreeSet<String> = fs::read_dir(root().join("configs/experiments"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("quick-"))
        .collect();
    let is_experiment = |n: &&&str| n.ends_with(".toml") && !n.contains(' ') && **n != "config.toml";
    let named: BTreeSet<String> = ours.iter().filter(is_experiment).map(|n| (*n).to_owned()).collect();
    assert_eq!(named, shipped);

    let folder = Folder::new();
    let experiment = root().join("configs/experiments/quick-pnas.toml");
    let fails_at = |key: &str| folder.run(&format!("search {} -o run --set {key}=[]", experiment.display())).stderr;
    let tables = ["training.", "data.", "searcher."];
    let keys: Vec<&&str> = ours.iter().filter(|n| tables.iter().any(|t| n.starts_with(t))).collect();
    assert!(keys.len() > 10, "{keys:?}");
    for key in keys {
        assert!(!fails_at(key).contains("unknown"), "{}", fails_at(key));
    }
    assert!(fails_at("training.epoch").contains("unknown"), "a control: {}", fails_at("training.epoch"));
}

#[test]
fn manual_pages_and_completions_are_complete() {
    let folder = Folder::new();
    let written = folder.ok("manual -o man");
    for page in ["nasprof.1", "nasprof-lut-show.1", "nasprof-report.1"] {
        assert!(written.contains(page), "{written}");
        let text = String::from_utf8(folder.read(&format!("man/{page}"))).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".TH"), "{page}");
    }
    // What a shell makes of it, and not only what is in it.
    std::fs::write(folder.path("completions.bash"), folder.ok("completions bash")).unwrap();
    let complete = "source completions.bash; COMP_WORDS=(nasprof lut sh); COMP_CWORD=2; COMP_TYPE=9; \
                    _clap_complete_nasprof nasprof sh lut; echo \"${COMPREPLY[@]}\"";
    let programs = Path::new(env!("CARGO_BIN_EXE_nasprof")).parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let output =
        Command::new("bash").args(["-c", complete]).env("PATH", path).current_dir(folder.path(".")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "show", "{output:?}");
    for (words, wanted) in [("measure --allow-n", "--allow-noisy"), ("rep", "report"), ("exp", "export")] {
        let asked = folder.command(&format!("-- nasprof {words}")).env("NASPROF_COMPLETE", "fish").output().unwrap();
        let answer = String::from_utf8_lossy(&asked.stdout).into_owned();
        assert!(answer.split(['\t', '\n']).any(|word| word == wanted), "{words}: {answer}");
    }
}
