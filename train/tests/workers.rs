//! Searches whose networks are trained in several processes: they find what one process finds, whoever dies on the way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod setting;

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::Value;
use setting::{Setting, fails, json, start, start_with, succeeds};

const STAGED: &str =
    "[searcher]\nkind = \"staged\"\ntrainings = 4\ndraws = 10\nscores = [\"macs\"]\nrungs = [1]\nfinalists = 2";

fn text(setting: &Setting, processes: u32) -> String {
    setting
        .text(STAGED, 3)
        .replace("warm_up_epochs = 1", &format!("processes = {processes}"))
        .replace("workers = 1", "workers = 1\ntrain_portion = 0.8")
}

/// What a search leaves, without its times.
fn remains(folder: &Path) -> (Vec<u8>, Vec<u8>, Value) {
    let mut result = json(&folder.join("result.json"));
    result["seconds"] = Value::Null;
    let file = |name: &str| fs::read(folder.join(name)).unwrap();
    (file("candidates.parquet"), file("weights.safetensors"), result)
}

/// The processes that a process has started and that run.
fn children(parent: &Child) -> Vec<u32> {
    let task = format!("/proc/{0}/task/{0}/children", parent.id());
    let listed = fs::read_to_string(task).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn kill(pid: u32) -> bool {
    signal("-KILL", pid)
}

fn signal(name: &str, pid: u32) -> bool {
    Command::new("kill").args([name, &pid.to_string()]).status().unwrap().success()
}

#[test]
fn several_processes_find_what_one_finds() {
    let setting = Setting::new();
    succeeds(&setting.job("one", &text(&setting, 1), false));
    // Networks are trained at the same time: at some moment there are two children. One process has none.
    let mut child = start(&setting.job("three", &text(&setting, 3), false));
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(children(&child).len());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!((2..=3).contains(&most), "{most} at the same time");
    // It trains nothing itself, so the signs of life are those of its processes.
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(said.lines().any(|line| line == "\"alive\""), "{said}");
    assert!(remains(&setting.path("three")) == remains(&setting.path("one")));
    let kept = |run: &str| fs::read_dir(setting.path(run).join("checkpoint")).unwrap().count();
    assert_eq!(kept("three"), kept("one"), "only the last checkpoint of each network is kept");
    fails(&setting.job("none", &text(&setting, 0), false), "key `training.processes`: 0 is not in 1 to 64");
}

/// A process that trains is killed now and then, once the whole search, and at last it ends in one process.
#[test]
fn who_dies_changes_nothing() {
    let setting = Setting::new();
    succeeds(&setting.job("whole", &text(&setting, 1), false));
    let mut child = start(&setting.job("run", &text(&setting, 2), false));
    let mut kills = 0;
    while kills < 2 && child.try_wait().unwrap().is_none() {
        // Never the same network often enough to be given up: each time another process is the first.
        if let Some(&pid) = children(&child).last() {
            kills += u32::from(kill(pid));
            std::thread::sleep(Duration::from_millis(300));
        }
    }
    assert!(kills > 0, "it was always faster than the kill");
    let journal = setting.path("run/trials.jsonl");
    let epochs = || fs::read_to_string(&journal).map_or(0, |text| text.matches("\"epoch\":").count());
    while epochs() < 3 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let orphans = children(&child);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was faster than the kill");
    // Who works for nobody ends.
    let alive = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    for _ in 0..1000 {
        if !orphans.iter().any(alive) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!orphans.iter().any(alive), "{orphans:?}");
    succeeds(&setting.job("run", &text(&setting, 1), true));
    assert!(remains(&setting.path("run")) == remains(&setting.path("whole")));
}

/// What the journal has when an asynchronous search is killed stays part of it: the epochs that it may train are all spent on
/// eight networks of one epoch, of which two go on, and nothing was in vain.
#[test]
fn an_asynchronous_search_goes_on_from_its_journal() {
    let setting = Setting::new();
    let text = |processes| text(&setting, processes).replace("rungs = [1]", "rungs = [1]\nhalving = \"asynchronous\"");
    let (folder, journal) = (setting.path("run"), setting.path("run/trials.jsonl"));
    let epochs = || fs::read_to_string(&journal).map_or(0, |text| text.matches("{\"epoch\":").count());
    let mut child = start(&setting.job("run", &text(3), false));
    let mut most = 0;
    while epochs() < 6 && child.try_wait().unwrap().is_none() {
        most = most.max(children(&child).len());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was faster than the kill");
    assert!((2..=3).contains(&most), "{most} at the same time");
    let before = fs::read_to_string(&journal).unwrap();
    let whole = &before[..before.rfind('\n').unwrap()];
    succeeds(&setting.job("run", &text(2), true));
    assert!(fs::read_to_string(&journal).unwrap().starts_with(whole) && epochs() == 12, "{}", epochs());
    let kept = remains(&folder);
    assert_eq!(kept.2["spent"]["epochs"], 12);
    assert_eq!(fs::read_dir(folder.join("checkpoint")).unwrap().count(), 8);
    // The whole journal gives the same candidates and the same winner, in one process as well.
    fs::remove_file(folder.join("run.sha256")).unwrap();
    succeeds(&setting.job("run", &text(1), true));
    assert!(remains(&folder) == kept && epochs() == 12);
    // The control: it is another experiment than the one that waits for all networks of a rung.
    fails(&setting.job("run", &self::text(&setting, 1), true), "`searcher.halving` is \"asynchronous\" there");
}

/// Whether a thread of a process waits in the kernel for something that no signal ends.
fn is_in_system_call(process: &Child) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", process.id())).into_iter().flatten().flatten();
    let mut states = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    // The state follows the name, which is in parentheses.
    states.any(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('D')))
}

/// A stopped process is like one whose GPU hangs: it says nothing, and nothing else would end it. Another one goes on with its
/// network, and the result is the same.
#[test]
fn a_process_that_makes_no_progress_is_replaced() {
    let setting = Setting::new();
    succeeds(&setting.job("whole", &text(&setting, 1), false));
    // A quarter of a minute is hundreds of batches of this search.
    let mut child = start_with(&setting.job("run", &text(&setting, 2), false), &[("NASPROF_MAX_SILENCE", "0.25")]);
    let stopped = loop {
        assert!(child.try_wait().unwrap().is_none(), "it was faster than the signal");
        if let Some(&pid) = children(&child).first().filter(|&&pid| signal("-STOP", pid)) {
            // Stopped before it is a program of its own, it holds its parent in the system call that starts it, and nothing would
            // end that.
            std::thread::sleep(Duration::from_millis(20));
            if !is_in_system_call(&child) {
                break pid;
            }
            signal("-CONT", pid);
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "process {stopped}: {words}");
    assert!(words.contains("its training process died"), "{words}");
    assert!(remains(&setting.path("run")) == remains(&setting.path("whole")));
}

/// What is wrong with a training is told as that of one process is.
#[test]
fn what_a_process_complains_of_ends_the_search() {
    let setting = Setting::new();
    let mut child = start(&setting.job("run", &text(&setting, 2), false));
    let checkpoints = setting.path("run/checkpoint");
    let journal = setting.path("run/trials.jsonl");
    while !fs::read_to_string(&journal).is_ok_and(|text| text.matches("\"epoch\":").count() >= 4)
        && child.try_wait().unwrap().is_none()
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for entry in fs::read_dir(checkpoints).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    fails(&setting.job("run", &text(&setting, 2), true), "was altered");
}
