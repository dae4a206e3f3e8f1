//! What stands in the repository beside the code: links, benchmarks, continuous integration and the changelog.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::Folder;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Files of the repository that people write, without what is built, fetched or made by running.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() && ![".git", ".deps", "target", "runs"].contains(&name.as_str()) {
                folders.push(path);
            } else if path.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found
}

/// Links of a page that lead to no file, and how many links it has.
fn broken_links(path: &Path, text: &str) -> (Vec<String>, usize) {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let local: Vec<&str> = links.filter(|link| !link.starts_with("http") && !link.starts_with('#')).collect();
    let leads = |link: &&&str| !path.parent().unwrap().join(link.split('#').next().unwrap()).exists();
    (local.iter().filter(leads).map(|link| format!("{}: {link}", path.display())).collect(), local.len())
}

#[test]
fn links_lead_somewhere() {
    let (mut broken, mut links) = (Vec::new(), 0);
    for path in files(&[".md"]) {
        let (of_page, count) = broken_links(&path, &fs::read_to_string(&path).unwrap());
        broken.extend(of_page);
        links += count;
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(links > 40, "{links}");
    // A control: what is not there is found.
    let page = root().join("docs/README.md");
    assert_eq!(broken_links(&page, "[a](first-lut.md) [b](no-such-page.md#part)").0.len(), 1);
}

/// Names of scripts, benchmarks and pages in a text that name no file.
fn missing_files(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let words = text.split(|c: char| !is_part(c)).map(|word| word.trim_end_matches('.'));
    let ours = words.filter(|word| ["scripts/", "benchmarks/", "docs/"].iter().any(|folder| word.starts_with(folder)));
    ours.filter(|word| !root().join(word).exists()).collect()
}

/// Comments, scripts and texts of the program name only files that exist.
#[test]
fn files_named_in_code_and_scripts_exist() {
    for path in files(&[".rs", ".sh", ".toml", ".yml", ".md", "Makefile", "run"]) {
        let text = fs::read_to_string(&path).unwrap();
        let missing = missing_files(&text);
        // This file names missing ones on purpose.
        assert!(missing.is_empty() || path.ends_with(file!()), "{}: {missing:?}", path.display());
    }
    assert_eq!(
        missing_files("see scripts/no-such.sh, benchmarks/lut.sh and docs/nothing.md."),
        ["scripts/no-such.sh", "docs/nothing.md"]
    );
}

#[test]
fn the_index_of_benchmarks_lists_every_result() {
    let index = fs::read_to_string(root().join("benchmarks/README.md")).unwrap();
    for entry in fs::read_dir(root().join("benchmarks/results")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(index.contains(&format!("(results/{name})")), "benchmarks/README.md does not list {name}");
    }
}

/// Measurements that were published stay readable by every later version.
#[test]
fn luts_of_published_results_are_read() {
    let folder = Folder::new();
    // Tables of trained networks are no LUTs.
    let is_lut = |path: &PathBuf| !path.to_string_lossy().ends_with("networks.parquet");
    let published: Vec<PathBuf> = files(&[".parquet"]).into_iter().filter(is_lut).collect();
    assert!(published.len() >= 5, "{published:?}");
    for path in published {
        fs::copy(&path, folder.path("published.parquet")).unwrap();
        let shown = folder.ok("lut show published.parquet --json");
        assert!(serde_json::from_str::<Value>(&shown).is_ok(), "{}", path.display());
    }
}

/// Workflows run what anybody can run: targets of the Makefile, under the same names.
#[test]
fn workflows_run_targets_of_the_makefile() {
    let makefile = text_of("Makefile");
    let target = |line: &str| Some(line.split_once(':')?.0.to_owned()).filter(|name| !name.contains([' ', '\t', '.']));
    let targets: BTreeSet<String> = makefile.lines().filter_map(target).collect();
    let mut run = BTreeSet::new();
    let run_by_machines =
        |path: &&PathBuf| path.starts_with(root().join(".github/workflows")) || path.starts_with(root().join(".ci"));
    for path in files(&[".yml", "run"]).iter().filter(run_by_machines) {
        let text = fs::read_to_string(path).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let words = line.split("make ").skip(1).filter_map(|rest| rest.split_whitespace().next());
            run.extend(words.map(|word| word.trim_end_matches(';').to_owned()));
        }
    }
    assert!(run.is_subset(&targets), "{run:?} of {targets:?}");
    for needed in ["lint", "test", "test-light", "deny", "fuzz-check", "dist"] {
        assert!(run.contains(needed), "nothing runs `make {needed}`");
    }
    assert!(!targets.contains("no-such-target"), "a control");
}

/// The oldest Rust that builds it is tested as such.
#[test]
fn the_oldest_rust_is_the_one_that_is_tested() {
    let manifest = text_of("Cargo.toml");
    let oldest = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    let workflow = text_of(".github/workflows/ci.yml");
    assert!(workflow.contains(&format!("rustup toolchain install {oldest} ")), "{oldest} is not tested");
    assert!(text_of("fuzz/Cargo.toml").contains(&format!("rust-version = \"{oldest}\"")));
}

/// Each target has a program for libFuzzer, and the script knows it.
#[test]
fn every_fuzz_target_is_built_and_run() {
    let listed = std::process::Command::new(root().join("scripts/fuzz.sh")).arg("--list").output().unwrap();
    let listed: BTreeSet<String> = String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect();
    let source = text_of("fuzz/src/targets.rs");
    let names = source.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next());
    let targets: BTreeSet<String> = names.map(str::to_owned).collect();
    assert!(targets.len() >= 14, "{targets:?}");
    assert_eq!(listed, targets);
    for target in &targets {
        let program = text_of(&format!("fuzz/fuzz_targets/{target}.rs"));
        assert!(program.contains(&format!("run(\"{target}\", data)")), "{target} runs another target");
    }
}

/// As keepachangelog.com has it: what is not released yet comes first, then releases with their dates, the last one first.
#[test]
fn the_changelog_has_the_version() {
    let text = text_of("CHANGELOG.md");
    let heads: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(heads[0], "[Unreleased]");
    let version = |head: &str| head.strip_prefix('[').and_then(|head| Some(head.split_once(']')?.0.to_owned()));
    assert_eq!(version(heads[1]).as_deref(), Some(env!("CARGO_PKG_VERSION")));
    for head in &heads[1..] {
        let date: Vec<u32> = head.rsplit(' ').next().unwrap().split('-').map(|part| part.parse().unwrap()).collect();
        assert_eq!(date.len(), 3, "{head}");
    }
    let known = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];
    let kinds: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|kind| known.contains(kind)), "{kinds:?}");
}

/// The examples of the command line, as a user starts them.
#[test]
fn examples_of_the_command_line_run() {
    let folder = Folder::new();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_nasprof"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let run = |name: &str, arguments: &[&str]| {
        let output = std::process::Command::new(root().join("examples").join(name))
            .args(arguments)
            .current_dir(folder.path("."))
            .env("PATH", &path)
            .env("NASPROF_AGENT", &folder.agent)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (first, words) = run("first_lut.sh", &[]);
    assert!(first && folder.path("validation.html").is_file(), "{words}");
    let (ranked, words) = run("fastest_networks.sh", &["lut.parquet", "small.toml"]);
    assert!(ranked, "{words}");
    let rank = String::from_utf8(folder.read("rank.tsv")).unwrap();
    let times: Vec<f64> = rank.lines().map(|line| line.split('\t').next().unwrap().parse().unwrap()).collect();
    assert!(times.len() == 10 && times.is_sorted() && times[0] > 0.0, "{times:?}");
    // A control: a step that fails ends the example.
    assert!(!run("fastest_networks.sh", &["no.parquet", "small.toml"]).0);
    let shown: BTreeSet<String> = files(&[".sh"])
        .into_iter()
        .filter(|path| path.parent().is_some_and(|folder| folder.ends_with("examples")))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(shown, BTreeSet::from(["fastest_networks.sh", "first_lut.sh"].map(str::to_owned)), "each is run here");
}

/// What a crate of ours uses and a lock file does not know of it.
fn not_locked(lock: &str, name: &str, manifest: &str) -> Vec<String> {
    let package = lock.split("[[package]]").find(|part| part.contains(&format!("name = \"{name}\"\n")));
    let Some(package) = package else { return Vec::new() };
    let known: Vec<&str> =
        package.lines().filter_map(|line| line.trim().strip_prefix('"')?.split(['"', ' ']).next()).collect();
    let part = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let lines = part.lines().take_while(|line| !line.starts_with('['));
    let used = lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['.', ' ']).next());
    used.filter(|used| !used.is_empty() && !known.contains(used)).map(|used| format!("{name} uses {used}")).collect()
}

/// Workspaces beside the main one have lock files of their own, which must follow when a crate gets a new dependency.
#[test]
fn lock_files_beside_the_main_one_are_up_to_date() {
    let workspaces: Vec<&str> = ["fuzz", "query"].into_iter().filter(|name| root().join(name).exists()).collect();
    assert!(!workspaces.is_empty());
    for workspace in workspaces {
        let lock = text_of(&format!("{workspace}/Cargo.lock"));
        let mut seen = 0;
        for name in crate::layout::CRATES {
            let manifest = text_of(&format!("{name}/Cargo.toml"));
            let missing = not_locked(&lock, &format!("nasprof-{name}"), &manifest);
            let hint = format!("cargo metadata --manifest-path {workspace}/Cargo.toml --format-version 1 >/dev/null");
            assert!(missing.is_empty(), "{workspace}/Cargo.lock: {missing:?}; {hint}");
            seen += usize::from(lock.contains(&format!("name = \"nasprof-{name}\"\n")));
        }
        assert!(seen > 4, "{workspace}: {seen}");
    }
    // A control: a new dependency is missed.
    let lock = "[[package]]\nname = \"nasprof-a\"\nversion = \"0\"\ndependencies = [\n \"serde 1.0\",\n]\n";
    let missing = not_locked(lock, "nasprof-a", "[dependencies]\nserde.workspace = true\ntoml = \"1\"\n\n[lints]\n");
    assert_eq!(missing, ["nasprof-a uses toml"]);
}
