//! `--lock-clocks` through the whole program, on a made-up machine.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::Folder;

const MEASURE: &str = "measure --device synthetic:quiet --space small.toml -o a.parquet";
const GOVERNOR: &str = "root/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";

/// A folder with a machine of one processor below `root`.
fn machine() -> Folder {
    let folder = Folder::new();
    fs::create_dir_all(folder.path(GOVERNOR).parent().unwrap()).unwrap();
    fs::write(folder.path(GOVERNOR), "ondemand").unwrap();
    for file in ["scaling_min_freq", "scaling_max_freq"] {
        fs::write(folder.path(GOVERNOR).with_file_name(file), "1000000").unwrap();
    }
    folder
}

fn command(folder: &Folder, line: &str) -> Command {
    let mut command = folder.command(line);
    command.env("NASPROF_ROOT", folder.path("root"));
    command
}

fn governor(folder: &Folder) -> String {
    fs::read_to_string(folder.path(GOVERNOR)).unwrap()
}

#[test]
fn locked_clocks_are_part_of_the_context_and_on_record() {
    let folder = machine();
    let output = command(&folder, &format!("{MEASURE} --lock-clocks")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(governor(&folder), "ondemand");

    let journal = String::from_utf8(folder.read("a.journal.jsonl")).unwrap();
    let events: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let before = events.iter().position(|e| e["event"]["event"] == "clocks").unwrap();
    let first = events.iter().position(|e| e["event"]["event"] == "trial").unwrap();
    assert!(before < first, "recorded after clocks were set");
    assert!(events[before].to_string().contains("ondemand"));

    folder.ok("lut rebuild a.journal.jsonl -o b.json");
    let lut: Value = serde_json::from_slice(&folder.read("b.json")).unwrap();
    let mode = lut["context"]["facts"]["clocks"].as_str().unwrap();
    assert!(mode.starts_with("locked") && mode.contains("scaling_governor=performance"), "{mode}");

    // Neither resumed nor validated in another mode.
    let other = command(&folder, &format!("{MEASURE} --resume")).output().unwrap();
    assert_eq!(other.status.code(), Some(2));
    folder.fails("validate --device synthetic:quiet --space small.toml --lut a.parquet -n 2", 6, "--lock-clocks");
    let valid = "validate --device synthetic:quiet --space small.toml --lut a.parquet -n 2 --lock-clocks";
    let output = command(&folder, valid).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(governor(&folder), "ondemand");
}

#[test]
fn a_killed_host_leaves_no_locked_clocks() {
    let folder = machine();
    let line = "measure --device synthetic:quiet --space mobilenet-imagenet --sessions 100 -o a.parquet --lock-clocks";
    let mut child = command(&folder, line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while governor(&folder) != "performance" {
        assert!(start.elapsed() < Duration::from_secs(240), "never locked");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let start = Instant::now();
    while governor(&folder) != "ondemand" {
        assert!(start.elapsed() < Duration::from_secs(240), "still locked");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Copies of clocks that the host keeps.
fn copies(folder: &Folder) -> usize {
    fs::read_dir(folder.path("nasprof/clocks")).map_or(0, Iterator::count)
}

#[test]
fn the_hosts_copy_is_there_while_clocks_are_locked_and_gone_when_they_are_back() {
    let folder = machine();
    assert!(command(&folder, &format!("{MEASURE} --lock-clocks")).status().unwrap().success());
    assert_eq!(copies(&folder), 0);

    let line = "measure --device synthetic:quiet --space mobilenet-imagenet --sessions 100 -o b.parquet --lock-clocks";
    let mut child = command(&folder, line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while governor(&folder) != "performance" {
        assert!(start.elapsed() < Duration::from_secs(240), "never locked");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(copies(&folder), 1, "locked without a copy");
    child.kill().unwrap();
    child.wait().unwrap();
    // Until the device has also dropped its own record: what is set before that it would still put back.
    while governor(&folder) != "ondemand" || folder.path("root/var/lib/nasprof/clocks.json").exists() {
        assert!(start.elapsed() < Duration::from_secs(240), "still locked");
        std::thread::sleep(Duration::from_millis(5));
    }
    // The device restored them itself, and somebody wanted something else since: that stays.
    assert_eq!(copies(&folder), 1);
    fs::write(folder.path(GOVERNOR), "performance").unwrap();
    assert!(command(&folder, "devices check synthetic").output().unwrap().status.success());
    assert_eq!((governor(&folder).as_str(), copies(&folder)), ("performance", 0));
}

#[test]
fn without_room_for_a_copy_no_clock_is_locked() {
    let folder = machine();
    fs::write(folder.path("nasprof"), "a file where the folder should be").unwrap();
    let output = command(&folder, &format!("{MEASURE} --lock-clocks")).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && words.contains("nasprof/clocks"), "{words}");
    assert_eq!(governor(&folder), "ondemand");
    // A damaged one is not taken for none.
    let folder = machine();
    fs::create_dir_all(folder.path("nasprof/clocks")).unwrap();
    let host = nix::unistd::gethostname().unwrap().to_string_lossy().into_owned();
    fs::write(folder.path(&format!("nasprof/clocks/local-{host}.json")), "{").unwrap();
    let output = command(&folder, MEASURE).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && words.contains("hint: ") && words.contains(&host), "{words}");
}

#[test]
fn a_device_without_clocks_is_refused() {
    let folder = Folder::new();
    folder.fails(&format!("{MEASURE} --lock-clocks"), 2, "no settable clocks");
    let output = command(&folder, &format!("{MEASURE} --lock-clocks --resume")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no settable clocks"));
}

/// Rows say when the clocks moved under a measurement; the control is a lock that held.
#[test]
fn clocks_that_move_are_flagged() {
    let folder = machine();
    let output = command(&folder, &format!("{MEASURE} --lock-clocks")).output().unwrap();
    assert!(output.status.success());
    folder.ok("lut rebuild a.journal.jsonl -o held.json");
    assert!(!String::from_utf8(folder.read("held.json")).unwrap().contains("\"noisy\""));

    // The same observations, but for the end of one round.
    let journal = String::from_utf8(folder.read("a.journal.jsonl")).unwrap();
    let mut lines: Vec<String> = journal.lines().map(ToOwned::to_owned).collect();
    let index = lines.iter().position(|line| line.contains("\"event\":\"round\"")).unwrap();
    let held = "\"clock_lock\":{\"ok\":0.0}";
    let start = lines[index].find("\"event\":{").unwrap() + "\"event\":".len();
    let event = lines[index][start..lines[index].len() - 1].replace(held, "\"clock_lock\":{\"bad\":1.0}");
    assert!(event.contains("bad"), "no lock was probed: {}", lines[index]);
    let crc = crc32fast::hash(format!("{index}:{event}").as_bytes());
    lines[index] = format!("{{\"sequence\":{index},\"crc\":\"{crc:08x}\",\"event\":{event}}}");
    fs::write(folder.path("moved.journal.jsonl"), lines.join("\n") + "\n").unwrap();
    folder.ok("lut rebuild moved.journal.jsonl -o moved.json");
    assert!(String::from_utf8(folder.read("moved.json")).unwrap().contains("\"noisy\""));
}
