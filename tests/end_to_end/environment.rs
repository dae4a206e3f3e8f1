//! Paths that the environment names: nothing of the current folder is loaded or run because one is empty or relative.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::{Folder, Ran};

const UNSET: [&str; 4] = ["", ".", "conf", "./conf"];

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A command in the folder with some variables, and without those that could go over them.
fn command(folder: &Folder, line: &str, variables: &[(&str, &Path)]) -> Command {
    let mut command = folder.command(line);
    // No clocks of this machine are looked at, and nothing is kept on it.
    command.env("NASPROF_ROOT", folder.path("root"));
    for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command
}

fn run(folder: &Folder, line: &str, variables: &[(&str, &Path)]) -> Ran {
    command(folder, line, variables).output().unwrap().into()
}

#[test]
fn device_files_of_the_current_folder_are_not_loaded() {
    let folder = Folder::new();
    let ran = folder.path("ran");
    let text = format!(
        "format_version = 1\ntransport = \"local\"\nbackend = \"synthetic:quiet\"\nthreads = 1\n\
         power_mode_command = \"touch {}; echo mode\"\n",
        ran.display()
    );
    // Wherever an empty or relative folder could lead.
    for below in ["", ".config", "conf", "conf/.config"] {
        let devices = folder.path(below).join("nasprof/devices");
        fs::create_dir_all(&devices).unwrap();
        fs::write(devices.join("synthetic.toml"), &text).unwrap();
    }
    for value in UNSET.map(Path::new) {
        for variables in
            [&[("XDG_CONFIG_HOME", value)][..], &[("HOME", value)], &[("XDG_CONFIG_HOME", value), ("HOME", value)]]
        {
            let checked = run(&folder, "devices check synthetic", variables);
            assert_eq!(checked.code, Some(0), "{variables:?}: {}", checked.stderr);
            assert!(!ran.exists(), "{variables:?}");
        }
    }
    // Control: an absolute one counts, and `HOME` where the other is unset.
    for (name, value) in [("XDG_CONFIG_HOME", folder.path("")), ("HOME", folder.path(""))] {
        let checked = run(&folder, "devices check synthetic", &[("XDG_CONFIG_HOME", Path::new("")), (name, &value)]);
        assert!(checked.code == Some(0) && ran.exists(), "{name}: {}", checked.stderr);
        fs::remove_file(&ran).unwrap();
    }
}

#[test]
fn copies_of_clocks_of_the_current_folder_restore_nothing() {
    let folder = Folder::new();
    let ran = folder.path("ran");
    let restore = format!("touch {}", ran.display());
    let host = nix::unistd::gethostname().unwrap().to_string_lossy().into_owned();
    let write = || {
        let copy = serde_json::json!({
            "format_version": 1, "name": "never restored", "boot": "unknown",
            "request": {"commands": {"store": "true", "set": "true", "restore": restore}},
            "settings": [{"control": "commands", "name": "restore", "value": restore}],
        });
        for below in ["", ".local/state", "conf", "conf/.local/state"] {
            let clocks = folder.path(below).join("nasprof/clocks");
            fs::create_dir_all(&clocks).unwrap();
            fs::write(clocks.join(format!("local-{host}.json")), copy.to_string()).unwrap();
        }
    };
    write();
    for value in UNSET.map(Path::new) {
        for variables in
            [&[("XDG_STATE_HOME", value)][..], &[("HOME", value)], &[("XDG_STATE_HOME", value), ("HOME", value)]]
        {
            let checked = run(&folder, "devices check synthetic:quiet", variables);
            assert_eq!(checked.code, Some(0), "{variables:?}: {}", checked.stderr);
            assert!(!ran.exists(), "{variables:?}");
        }
    }
    // Control: the user's own copy does restore.
    let checked = run(&folder, "devices check synthetic:quiet", &[("XDG_STATE_HOME", &folder.path(""))]);
    assert!(checked.code == Some(0) && ran.exists(), "{}{}", checked.stdout, checked.stderr);
}

#[test]
fn programs_of_the_current_folder_are_not_run() {
    let folder = Folder::new();
    let ran = folder.path("ran");
    for name in ["evil", "bin/evil"] {
        script(&folder.path(name), &format!("touch {}", ran.display()));
    }
    for value in ["", "evil", "./evil", "bin/evil"] {
        let variables = [("NASPROF_AGENT", Path::new(value)), ("NASPROF_AGENT_TORCH", Path::new(value))];
        let checked = run(&folder, "devices check synthetic:quiet", &variables);
        // The agent beside the program is used.
        assert_eq!(checked.code, Some(0), "`{value}`: {}", checked.stderr);
        assert!(!ran.exists(), "`{value}`");
        assert_eq!(checked.stderr.contains("NASPROF_AGENT="), !value.is_empty(), "`{value}`: {}", checked.stderr);
    }
    // Control: an absolute one is run.
    run(&folder, "devices check synthetic:quiet", &[("NASPROF_AGENT", &folder.path("evil"))]);
    assert!(ran.exists());
}

/// The scripts' one place for such paths.
#[test]
fn scripts_take_no_relative_path_either() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display().to_string();
    let environment = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/environment.sh");
    let told = |call: &str, variables: &[(&str, &str)]| {
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!(". '{}'; {call}", environment.display())]).current_dir(folder.path());
        for name in ["HOME", "XDG_CACHE_HOME", "TMPDIR", "CARGO_HOME", "NASPROF_X"] {
            bash.env_remove(name);
        }
        let output = bash.envs(variables.iter().copied()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    for unset in UNSET {
        let home = [("HOME", "/h"), ("XDG_CACHE_HOME", unset), ("NASPROF_X", unset), ("CARGO_HOME", unset)];
        assert_eq!(told("cache_folder a NASPROF_X", &home), (true, "/h/.cache/nasprof/a".to_owned()));
        assert_eq!(told("cargo_home", &home), (true, "/h/.cargo".to_owned()));
        assert!(!told("cache_folder a", &[("HOME", unset)]).0);
        assert!(!told("cargo_home", &[("HOME", unset)]).0);
        let (made, path) = told("temporary_folder", &[("TMPDIR", unset)]);
        assert!(made && path.starts_with("/tmp/"), "{path}");
        fs::remove_dir(path).unwrap();
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // Control: absolute ones count.
    let all = [("HOME", "/h"), ("XDG_CACHE_HOME", "/c"), ("NASPROF_X", "/x"), ("CARGO_HOME", "/g")];
    assert_eq!(told("cache_folder a", &all), (true, "/c/nasprof/a".to_owned()));
    assert_eq!(told("cache_folder a NASPROF_X", &all), (true, "/x".to_owned()));
    assert_eq!(told("cargo_home", &all), (true, "/g".to_owned()));
    let (made, path) = told("temporary_folder", &[("TMPDIR", &here)]);
    assert!(made && path.starts_with(&here), "{path}");
}

/// Whoever reads a path from the environment goes through the one module.
#[test]
fn no_other_code_reads_a_path_from_the_environment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = Command::new("git").args(["ls-files", "*.rs"]).current_dir(root).output().unwrap();
    assert!(listed.status.success());
    let files = String::from_utf8(listed.stdout).unwrap();
    for file in files.lines().filter(|f| f.contains("src/") && !f.contains("testkit/") && *f != "base/src/env_path.rs")
    {
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        // Tests may read what they like.
        let text = text.split("#[cfg(test)]").next().unwrap();
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR", "SSH_AUTH_SOCK"] {
            for reader in ["var", "var_os"] {
                assert!(!text.contains(&format!("env::{reader}(\"{name}\")")), "{file} reads {name}");
            }
        }
        assert!(!text.contains("temp_dir()"), "{file} uses TMPDIR");
    }
}
