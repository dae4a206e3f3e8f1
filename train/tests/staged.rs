//! Searches whose networks are trained by themselves: what they leave, and that they can be killed at any time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod setting;

use std::fs;
use std::path::Path;
use std::time::Duration;

use nasprof_search::job::{Job, RunResult, Task};
use nasprof_search::trials::Journal;
use serde_json::{Value, json};
use setting::{Setting, fails, start, succeeds};

const STAGED: &str = "[searcher]\nkind = \"staged\"\ntrainings = 4\ndraws = 10\nscores = [\"macs\", \"naswot\"]\nrungs = [1]\nfinalists = 2";

fn text(setting: &Setting, searcher: &str) -> String {
    setting
        .text(searcher, 3)
        .replace("warm_up_epochs = 1", "")
        .replace("workers = 1", "workers = 1\ntrain_portion = 0.8")
}

/// What a search leaves, without its times.
fn remains(folder: &Path) -> (Vec<u8>, Vec<u8>, Value) {
    let mut result = setting::json(&folder.join("result.json"));
    result["seconds"] = Value::Null;
    let file = |name: &str| fs::read(folder.join(name)).unwrap();
    (file("candidates.parquet"), file("weights.safetensors"), result)
}

fn lines(folder: &Path) -> usize {
    fs::read_to_string(folder.join("trials.jsonl")).map_or(0, |text| text.matches('\n').count())
}

/// Killed with SIGKILL after more and more lines of its journal, a search ends with the same candidates, weights and result.
#[test]
fn a_killed_search_goes_on_and_ends_alike() {
    let setting = Setting::new();
    let text = text(&setting, STAGED);
    succeeds(&setting.job("whole", &text, false));
    let whole = remains(&setting.path("whole"));
    let all = lines(&setting.path("whole"));
    assert!(all > 12, "{all} lines");
    let mut kills = 0;
    for wanted in (2..all).step_by(4) {
        let mut child = start(&setting.job("run", &text, wanted > 2));
        while lines(&setting.path("run")) < wanted && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
    }
    assert!(kills > 1, "it was always faster than the kill");
    // The time of all parts counts.
    let journal = fs::read_to_string(setting.path("run/trials.jsonl")).unwrap();
    let last = journal.lines().rev().find_map(|line| line.split("\"seconds\":").nth(1)?.split([',', '}']).next());
    let before: f64 = last.unwrap().parse().unwrap();
    succeeds(&setting.job("run", &text, true));
    assert!(before > 0.0 && RunResult::read(&setting.path("run")).unwrap().seconds > before);
    assert!(remains(&setting.path("run")) == whole);
    // A finished one is told as it is.
    succeeds(&setting.job("run", &text, true));
    assert!(remains(&setting.path("run")) == whole);
    // The control: another seed draws others.
    succeeds(&setting.job("seed", &text.replace("seed = 5", "seed = 6"), false));
    assert!(remains(&setting.path("seed")).0 != whole.0);
}

/// Each line has its own checksum, which does not show that a line is missing or elsewhere: the epochs of a network do.
#[test]
fn lines_of_the_journal_that_are_lost_or_moved_are_noticed() {
    let setting = Setting::new();
    let text = text(&setting, STAGED);
    succeeds(&setting.job("run", &text, false));
    let (folder, whole) = (setting.path("run"), remains(&setting.path("run")));
    let journal = folder.join("trials.jsonl");
    let kept = fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = kept.lines().collect();
    let of = |name: &str| lines.iter().position(|line| line.contains(name)).unwrap();
    let winner = lines.iter().find_map(|line| line.split("checkpoint/").nth(1)?.split_once("-epoch-00003")).unwrap().0;
    let epochs = [1, 2, 3].map(|epoch| of(&format!("{winner}-epoch-{epoch:05}")));
    let scored: Vec<usize> = (0..lines.len()).filter(|&i| lines[i].contains("{\"scores\":")).collect();
    // What stands in the journal, and the line that is refused; `None` for the controls, which give the same result.
    let without = |at: usize| (0..lines.len()).filter(|&i| i != at).collect::<Vec<_>>();
    let swapped = |a: usize, b: usize| {
        let mut order: Vec<usize> = (0..lines.len()).collect();
        order.swap(a, b);
        order
    };
    for (order, refused) in [
        (swapped(epochs[1], epochs[2]), Some(epochs[1])),
        (without(epochs[1]), Some(epochs[2] - 1)),
        (without(0), Some(0)),
        (swapped(scored[0], scored[1]), None),
        ((0..lines.len()).collect(), None),
    ] {
        fs::write(&journal, order.iter().map(|&i| format!("{}\n", lines[i])).collect::<String>()).unwrap();
        let _ = fs::remove_file(folder.join("run.sha256"));
        match refused {
            Some(line) => fails(&setting.job("run", &text, true), &format!("trials.jsonl: line {}: ", line + 1)),
            None => {
                succeeds(&setting.job("run", &text, true));
                assert!(remains(&folder) == whole);
            }
        }
    }
}

/// A network that fails after a rung was among the best of that rung, and is when the search goes on: nobody takes its place.
#[test]
fn a_later_failure_does_not_change_an_earlier_rung() {
    let setting = Setting::new();
    let text = text(&setting, STAGED);
    succeeds(&setting.job("run", &text, false));
    let folder = setting.path("run");
    let path = folder.join("trials.jsonl");
    let kept = fs::read_to_string(&path).unwrap();
    let winner = kept.lines().find_map(|line| line.split("checkpoint/").nth(1)?.split_once("-epoch-00003")).unwrap().0;
    let is_later = |line: &&str| [2, 3].iter().any(|epoch| line.contains(&format!("{winner}-epoch-{epoch:05}")));
    let first: Value = serde_json::from_str(kept.lines().find(|line| line.contains(winner)).unwrap()).unwrap();
    fs::write(&path, kept.lines().filter(|line| !is_later(line)).map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    let failed = json!({ "failed": { "arch": first["epoch"]["arch"], "number": first["epoch"]["number"], "problem": "diverged" } });
    Journal::open::<Value>(&path).unwrap().0.append(&failed).unwrap();
    fs::remove_file(folder.join("run.sha256")).unwrap();
    succeeds(&setting.job("run", &text, true));
    let epochs = |text: &str| text.matches("{\"epoch\":").count();
    // Eight of the rung and two of the other finalist. The control: as many as before would be another finalist's.
    assert_eq!((epochs(&kept), epochs(&fs::read_to_string(&path).unwrap())), (12, 10));
    assert!(RunResult::read(&folder).unwrap().accuracy_of.ends_with("trained by itself for 3 epochs"));
}

/// A search that goes on elsewhere says so. `auto` is another place in words, even where it is the CPU again.
#[test]
fn all_places_of_a_search_are_told() {
    let setting = Setting::new();
    let text = text(&setting, STAGED);
    let mut child = start(&setting.job("run", &text, false));
    while !fs::read_to_string(setting.path("run/trials.jsonl")).is_ok_and(|text| text.contains("{\"epoch\":"))
        && child.try_wait().unwrap().is_none()
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was faster than the kill");
    succeeds(&setting.job("run", &text.replace("compute = \"cpu\"", "compute = \"auto\""), true));
    let told = RunResult::read(&setting.path("run")).unwrap().computed_on.unwrap();
    assert!(told.starts_with("the CPU; then "), "{told}");
    // The control: in one place.
    succeeds(&setting.job("whole", &text, false));
    assert_eq!(RunResult::read(&setting.path("whole")).unwrap().computed_on.as_deref(), Some("the CPU"));
}

/// The candidates, as the search keeps them: how many have each fate.
#[test]
fn each_method_keeps_to_its_cost() {
    let setting = Setting::new();
    for (kind, epochs, networks) in [
        // Eight networks of one epoch, and two of them go on to the third.
        (STAGED, 12, 8),
        ("[searcher]\nkind = \"trained-random\"\ntrainings = 2", 6, 2),
        ("[searcher]\nkind = \"local-search\"\ntrainings = 2", 6, 2),
        ("[searcher]\nkind = \"regularized-evolution\"\ntrainings = 3\npopulation = 2\ntournament = 2", 9, 3),
    ] {
        let run = format!("run{}", kind.len());
        succeeds(&setting.job(&run, &text(&setting, kind), false));
        let journal = fs::read_to_string(setting.path(&run).join("trials.jsonl")).unwrap();
        assert_eq!(journal.matches("{\"epoch\":").count(), epochs, "{kind}");
        let result = RunResult::read(&setting.path(&run)).unwrap();
        assert!(
            result.accuracy_of.contains("16 validation images, trained by itself for 3 epochs"),
            "{}",
            result.accuracy_of
        );
        assert!(result.arch.is_some() && result.feasible);
        // The best of one is not chosen; the best of several is, on these very images.
        let chosen = format!(", chosen among {} by ", if kind == STAGED { 2 } else { epochs / 3 });
        assert!(
            result.accuracy_of.contains(&chosen) && result.accuracy_of.contains("optimistic"),
            "{}",
            result.accuracy_of
        );
        let spent = result.spent.unwrap();
        assert_eq!((spent.epochs, spent.trainings), (epochs as u64, epochs as f64 / 3.0), "{kind}");
        // Only the last checkpoint of each network is kept.
        let kept = fs::read_dir(setting.path(&run).join("checkpoint")).unwrap().count();
        assert_eq!(kept, networks, "{kind}");
    }
}

#[test]
fn what_a_search_goes_on_from_is_checked() {
    let setting = Setting::new();
    // One network of many epochs: it is killed long before the last one.
    let one = "[searcher]\nkind = \"trained-random\"\ntrainings = 1";
    let text = text(&setting, one).replace("epochs = 3", "epochs = 60");
    let mut child = start(&setting.job("run", &text, false));
    while !fs::read_to_string(setting.path("run/trials.jsonl")).is_ok_and(|text| text.contains("{\"epoch\":"))
        && child.try_wait().unwrap().is_none()
    {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let journal = setting.path("run/trials.jsonl");
    let kept = fs::read(&journal).unwrap();
    let mut changed = kept.clone();
    changed[kept.iter().position(|&byte| byte == b'\n').unwrap() / 2] ^= 1;
    fs::write(&journal, changed).unwrap();
    fails(&setting.job("run", &text, true), "trials.jsonl: line 1: ");
    fs::write(&journal, &kept).unwrap();
    fails(&setting.job("run", &text.replace("trainings = 1", "trainings = 2"), true), "`searcher.trainings` is 1");
    // A checkpoint that was changed is refused as soon as it is needed.
    for entry in fs::read_dir(setting.path("run/checkpoint")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    fails(&setting.job("run", &text, true), "was altered");
    succeeds(&Job { existing: nasprof_search::job::Existing::Overwrite, ..setting.job("run", &text, true) });
}

/// With a factor above 1 the device is slower than its LUT says; without a LUT nothing changes.
#[test]
fn another_winner_is_chosen_among_the_trained_ones() {
    let setting = Setting::new();
    let text = text(&setting, STAGED);
    succeeds(&setting.job("run", &text, false));
    let before = remains(&setting.path("run"));
    succeeds(&Job { task: Task::Select { factor: 1.1 }, ..setting.job("run", &text, true) });
    let mut after = remains(&setting.path("run"));
    assert_eq!(after.2["factor"], 1.1);
    after.2["factor"] = 1.0.into();
    assert!(after == before);
}

#[test]
fn experiments_that_make_no_sense() {
    let setting = Setting::new();
    for (from, to, naming) in [
        ("trainings = 4", "trainings = 0.5", "key `searcher.trainings`: 0.5 is not in 1 to"),
        ("rungs = [1]", "rungs = [2, 1]", "key `searcher.rungs`: the epochs must be at least 1"),
        ("rungs = [1]", "rungs = [1, 9]", "key `searcher.rungs`: 9 is not below the 3 epochs of a full training"),
        ("rungs = [1]", "rungs = [3]", "key `searcher.rungs`: 3 is not below the 3 epochs of a full training"),
        ("\"naswot\"", "\"naswto\"", "key `searcher.scores.1`: no score `naswto` (did you mean `naswot`?)"),
        ("\"naswot\"", "\"macs\"", "key `searcher.scores.1`: `macs` is listed twice"),
        ("epochs = 3", "epochs = 3\nwarm_up_epochs = 1", "key `training.warm_up_epochs`: "),
    ] {
        let text = text(&setting, STAGED);
        assert!(text.contains(from));
        fails(&setting.job("run", &text.replacen(from, to, 1), false), naming);
    }
    assert!(!setting.path("run").exists());
}
