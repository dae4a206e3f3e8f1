//! The invariants of the workspace.

use std::fs;
use std::path::Path;
use std::process::Command;

use nasprof_testkit::skip::skip;

/// Every crate but the command line, each after those that it uses.
pub(crate) const CRATES: [&str; 16] = [
    "base",
    "graph",
    "spaces",
    "onnx",
    "render",
    "profiler",
    "agent",
    "onnxruntime",
    "torch",
    "lut",
    "devices",
    "search",
    "train",
    "reports",
    "testkit",
    "examples",
];
/// Those that link libtorch, or something that does.
const LIBTORCH: [&str; 2] = ["torch", "train"];

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of a crate's sources.
fn sources_of(name: &str) -> String {
    if name == "examples" { name.to_owned() } else { format!("{name}/src") }
}

fn manifest(name: &str) -> String {
    fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap()
}

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found
}

fn nowhere(folder: &str, words: &[&str]) {
    for (path, text) in sources(folder) {
        for word in words {
            assert!(!text.contains(word), "{path} uses `{word}`");
        }
    }
}

#[test]
fn graph_does_no_io_and_knows_no_runtime_library() {
    nowhere("graph/src", &["std::fs", "std::net", "std::process", "tch::"]);
}

/// A test that is not run says why through the one function that fails where every test must run. Where that is, `.ci/run`
/// says.
#[test]
fn tests_are_left_out_in_one_way_only() {
    let words = ["SKIPPED", "\"skipped:"].map(|word| word.to_owned());
    let mut seen = 0;
    for folder in CRATES.iter().copied().chain(["tests"]) {
        for (path, text) in sources(folder) {
            let is_the_function = path.ends_with("testkit/src/skip.rs");
            let is_this_test = path.ends_with("end_to_end/layout.rs");
            seen += usize::from(is_the_function && text.contains(&words[0]));
            let other = !is_the_function && !is_this_test;
            assert!(
                !other || !words.iter().any(|word| text.contains(word.as_str())),
                "{path} leaves out a test by itself"
            );
        }
    }
    assert_eq!(seen, 1);
    assert!(fs::read_to_string(root().join(".ci/run")).unwrap().contains("export NASPROF_TEST_NO_SKIP=1\n"));
}

#[test]
fn only_src_knows_clap() {
    for folder in CRATES.iter().map(|name| sources_of(name)) {
        nowhere(&folder, &["clap::"]);
    }
}

#[test]
fn only_torch_and_train_use_libtorch() {
    for name in CRATES.iter().filter(|name| !LIBTORCH.contains(name)) {
        nowhere(&sources_of(name), &["use tch", " tch::", "(tch::"]);
        assert!(!manifest(name).contains("\ntch"), "{name} depends on tch");
    }
    nowhere("src", &["use tch", " tch::", "(tch::"]);
}

/// The list of ARCHITECTURE.md is the order of the crates: each uses only those before it.
#[test]
fn crates_use_only_those_before_them() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let listed: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("/` `nasprof"))
        .map(|row| row.0)
        .filter(|name| *name != "src")
        .collect();
    assert_eq!(listed, CRATES, "the code map of ARCHITECTURE.md");
    for (place, name) in CRATES.iter().enumerate() {
        let text = manifest(name);
        let used = text.split("[dev-dependencies]").next().unwrap();
        for line in used.lines() {
            let Some(other) = line.strip_prefix("nasprof-").and_then(|rest| rest.split('.').next()) else { continue };
            assert!(CRATES[..place].contains(&other), "{name} uses {other}, which is not before it");
        }
    }
}

/// One build makes every program: no feature decides what is linked, and nothing is compiled into two crates.
#[test]
fn no_feature_selects_a_back_end() {
    for name in CRATES {
        assert!(!manifest(name).contains("[features]"), "{name} has features");
        for (path, text) in sources(name) {
            assert!(!text.contains("feature = \""), "{path} depends on a feature");
            assert!(!text.contains("#[path = \"../../"), "{path} compiles a file of another crate");
        }
    }
}

/// The light program must start without libtorch.
#[test]
fn nasprof_does_not_link_libtorch() {
    let Ok(output) = Command::new("ldd").arg(env!("CARGO_BIN_EXE_nasprof")).output() else {
        skip("this machine has no ldd");
        return;
    };
    let libraries = String::from_utf8(output.stdout).unwrap();
    assert!(libraries.contains("libc"), "{libraries}");
    assert!(!libraries.contains("torch"), "{libraries}");
}

/// What the command line calls an option is the command line's business: libraries are used without one.
#[test]
fn libraries_do_not_name_options() {
    let names_option = |line: &str| {
        let literals = line.split('"').skip(1).step_by(2);
        let is_option = |word: &str| {
            let name = word.trim_start_matches(['`', '(']).strip_prefix("--");
            name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        literals.flat_map(str::split_whitespace).any(is_option)
    };
    // Pages of reports tell their readers which command shows more.
    for name in CRATES.iter().filter(|name| !["reports", "testkit", "examples"].contains(name)) {
        for (path, text) in sources(&sources_of(name)) {
            // Options of other programs, and programs of our own that the command line starts.
            if path.contains("/clocks/jetson.rs") || path.contains("/energy/tegrastats.rs") || path.contains("/bin/") {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap().lines();
            for line in code.filter(|line| !line.trim_start().starts_with("//")) {
                assert!(!names_option(line), "{path}: {line}");
            }
        }
    }
    // The control.
    assert!(names_option("Err(\"no; use `--allocator system`\".to_owned())") && !names_option("a -- b \"a -- b\""));
}
