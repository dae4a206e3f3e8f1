//! The invariants of the workspace.

use std::fs;
use std::path::Path;
use std::process::Command;

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
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

#[test]
fn only_src_knows_clap() {
    for folder in ["graph/src", "profiler/src", "lut/src", "devices/src", "reports/src", "search/src"] {
        nowhere(folder, &["clap::"]);
    }
}

#[test]
fn only_profiler_and_search_use_libtorch() {
    for folder in ["graph/src", "lut/src", "devices/src", "reports/src", "src"] {
        nowhere(folder, &["use tch", " tch::", "(tch::"]);
    }
    for manifest in ["graph/Cargo.toml", "lut/Cargo.toml", "devices/Cargo.toml", "reports/Cargo.toml"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest)).unwrap();
        assert!(!text.contains("\ntch"), "{manifest} depends on tch");
    }
}

/// The light program must start without libtorch.
#[test]
fn nasprof_does_not_link_libtorch() {
    let Ok(output) = Command::new("ldd").arg(env!("CARGO_BIN_EXE_nasprof")).output() else {
        eprintln!("skipped: this machine has no ldd");
        return;
    };
    let libraries = String::from_utf8(output.stdout).unwrap();
    assert!(libraries.contains("libc"), "{libraries}");
    assert!(!libraries.contains("torch"), "{libraries}");
}
