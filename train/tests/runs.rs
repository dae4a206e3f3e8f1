//! Whole runs of the built program: folders, interruption, refusals.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod setting;

use std::fs;
use std::io::{BufRead, BufReader};
use std::time::Duration;

use nasprof_search::job::RunResult;
use setting::{ENDLESS, PROXYLESSNAS, Setting, TRAINER, fails, json, remains, start, succeeds};

/// The command line may be killed while a step runs that tells nothing for long.
#[test]
fn a_run_that_nobody_listens_to_ends_in_the_midst_of_a_step() {
    let setting = Setting::new();
    let mut child = start(&setting.job("run", &setting.text(ENDLESS, 5), false));
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    // The first epoch is the warm-up, without steps of the architecture.
    while !events.next().unwrap().unwrap().contains("epoch 1/6 (warm-up):") {}
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "the control: it goes on while somebody listens");
    drop(events);
    let ended = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        child.try_wait().unwrap().is_some()
    });
    let _ = child.kill();
    assert!(ended, "it still runs");
}

#[test]
fn a_killed_run_goes_on_as_if_nothing_had_happened() {
    let setting = Setting::new();
    // The last one splits its supernet on the way.
    let few_shot = "[searcher]\nkind = \"fairnas\"\nsamples = 2\nsplit_after = 2";
    for table in [PROXYLESSNAS, TRAINER, few_shot] {
        let (whole, killed) = (format!("whole{}", table.len()), format!("killed{}", table.len()));
        let text = setting.text(table, 5);
        succeeds(&setting.job(&whole, &text, false));
        let state = setting.path(&killed).join("checkpoint/state.json");
        let mut kills = 0;
        for attempt in 0.. {
            let mut child = start(&setting.job(&killed, &text, attempt > 0));
            let before = fs::read(&state).ok();
            // Killed at the first sign of a new checkpoint, so while or soon after it is written.
            while child.try_wait().unwrap().is_none() && fs::read(&state).ok() == before {
                std::thread::sleep(Duration::from_millis(1));
            }
            if child.try_wait().unwrap().is_some() {
                assert!(child.wait_with_output().unwrap().status.success());
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        assert!(kills >= 3, "killed {kills} times only");
        let (tensors, numbers, result) = remains(&setting.path(&whole));
        let (tensors_again, numbers_again, result_again) = remains(&setting.path(&killed));
        assert!(tensors == tensors_again, "the tensors differ");
        assert_eq!(numbers, numbers_again);
        assert_eq!(result, result_again);
        // The control: another seed ends elsewhere.
        let other = format!("other{}", table.len());
        succeeds(&setting.job(&other, &text.replace("seed = 5", "seed = 6"), false));
        assert!(remains(&setting.path(&other)).0 != tensors, "the seed changes nothing");
    }
}

#[test]
fn every_searcher_ends_with_a_winner() {
    let setting = Setting::new();
    let searchers = [
        "[searcher]\nkind = \"darts\"",
        "[searcher]\nkind = \"darts\"\norder = 2\narchitecture_first = true",
        "[searcher]\nkind = \"proxylessnas\"\ngradient = \"gate\"",
        "[searcher]\nkind = \"fairnas\"\nsamples = 3",
        "[searcher]\nkind = \"fairnas\"\nevolution = { population = 4, generations = 1 }",
    ];
    for (i, searcher) in searchers.into_iter().enumerate() {
        let folder = format!("run{i}");
        succeeds(&setting.job(&folder, &setting.text(searcher, 1), false));
        let result = RunResult::read(&setting.path(&folder)).unwrap();
        assert_eq!(json(&setting.path(&folder).join("arch.json")), serde_json::to_value(&result.arch).unwrap());
        assert!(result.accuracy >= 0.0 && result.params > 0 && result.macs > 0);
        for file in ["config.toml", "log.txt", "metrics.csv", "tensorboard", "checkpoint/state.json"] {
            assert!(setting.path(&folder).join(file).exists(), "{searcher}: no {file}");
        }
        let metrics = fs::read_to_string(setting.path(&folder).join("metrics.csv")).unwrap();
        assert!(metrics.starts_with("epoch,") && metrics.contains("loss/train"), "{metrics}");
        assert_eq!(metrics.lines().count(), 3, "one line for the warm-up, one for the search: {metrics}");
    }
}

/// A hard limit holds for the winner, and without it another one wins.
#[test]
fn a_hard_limit_holds() {
    let setting = Setting::new();
    let free = setting.text("[searcher]\nkind = \"darts\"", 1);
    succeeds(&setting.job("free", &free, false));
    let params = RunResult::read(&setting.path("free")).unwrap().params;
    let limit = params - 1;
    let regularizer = format!("[[regularizers]]\nkind = \"reject\"\nquantity = \"params\"\nupper = {limit}\n");
    succeeds(&setting.job("limited", &format!("{free}\n{regularizer}"), false));
    let limited = RunResult::read(&setting.path("limited")).unwrap();
    assert!(limited.params <= limit && limited.feasible, "{limited:?}");
    assert_eq!(limited.quantities[0].estimated, limited.params as f64);
}

/// FairNAS names the best of what it judged. That is the winner only if it was looked for where a constraint wants it: just
/// below the target.
#[test]
fn what_fairnas_judged_wins_under_a_constraint() {
    let setting = Setting::new();
    let found = |folder: &str, target: Option<u64>| {
        let constraint = |t| format!("[[regularizers]]\nkind = \"constraint\"\nquantity = \"params\"\ntarget = {t}\n");
        let text = setting.text("[searcher]\nkind = \"fairnas\"\nsamples = 1", 1);
        let text = format!("{text}\n{}", target.map(constraint).unwrap_or_default());
        succeeds(&setting.job(folder, &text, false));
        RunResult::read(&setting.path(folder)).unwrap()
    };
    let near = |params: u64, target: u64| params <= target && params as f64 >= 0.99 * target as f64;
    let first = found("free", None).params;
    // Nothing is near such a target, and the search ends all the same.
    let largest = found("out-of-reach", Some(100 * first)).params;
    // The control: the first draw is below the target, but not near it.
    assert!(first < largest && !near(first, largest), "{first} {largest}");
    let result = found("near", Some(largest));
    assert!(near(result.params, largest) && !result.repaired, "{result:?}");
}

#[test]
fn folders_of_other_runs_are_refused() {
    let setting = Setting::new();
    let text = setting.text(PROXYLESSNAS, 1);
    succeeds(&setting.job("run", &text, false));
    fails(&setting.job("run", &text, false), "already holds a finished run of this experiment");
    let other = text.replace("seed = 5", "seed = 6");
    for resume in [false, true] {
        fails(&setting.job("run", &other, resume), "another experiment: `seed` is 5 there and 6 here");
    }
    // A finished run is not trained again, and gives the same.
    let before = remains(&setting.path("run"));
    succeeds(&setting.job("run", &text, true));
    assert_eq!(remains(&setting.path("run")).2, before.2);

    let state = setting.path("run").join("checkpoint/state.json");
    let kept = fs::read_to_string(&state).unwrap();
    for (from, to, naming) in [
        ("\"format_version\":2", "\"format_version\":1", "format_version 1 has no checksums"),
        ("epoch-", "../epoch-", "state.json: was altered"),
        ("{", "", "state.json: was altered"),
    ] {
        fs::write(&state, kept.replacen(from, to, 1)).unwrap();
        fails(&setting.job("run", &text, true), naming);
    }
    fs::write(&state, &kept).unwrap();
    let config = setting.path("run/config.toml");
    let sound = fs::read(&config).unwrap();
    fs::write(&config, "format_version = 1\nsede = 3\n").unwrap();
    fails(&setting.job("run", &text, true), "run/config.toml: is damaged: key `sede`");
    fs::write(&config, sound).unwrap();
    let tensors = setting.path("run").join("checkpoint").join(json(&state)["tensors"].as_str().unwrap());
    let bytes = fs::read(&tensors).unwrap();
    for damaged in [&bytes[..bytes.len() / 2], &bytes[..4], &[]] {
        fs::write(&tensors, damaged).unwrap();
        fails(&setting.job("run", &text, true), ".safetensors");
    }
}

/// What is refused before a run begins leaves no folder that would refuse the next one.
#[test]
fn an_experiment_that_is_refused_takes_no_folder() {
    if tch::Cuda::is_available() {
        return;
    }
    let setting = Setting::new();
    for table in [PROXYLESSNAS, TRAINER] {
        for gpu in ["cuda", "cuda:1"] {
            let text = setting.text(table, 1).replace("compute = \"cpu\"", &format!("compute = \"{gpu}\""));
            fails(&setting.job("refused", &text, false), &format!("key `training.compute`: `{gpu}`: no GPU: CUDA: "));
            assert!(!setting.path("refused").exists());
        }
    }
}

/// A checkpoint does not care where it goes on: `auto` takes a GPU if there is one, and says so or why not.
#[test]
fn a_run_goes_on_elsewhere_and_says_where() {
    let setting = Setting::new();
    for table in [PROXYLESSNAS, TRAINER] {
        let folder = format!("run{}", table.len());
        let here = setting.text(table, 1);
        succeeds(&setting.job(&folder, &here, false));
        let result = || RunResult::read(&setting.path(&folder)).unwrap().computed_on.unwrap();
        assert_eq!(result(), "the CPU");
        // On a GPU with what only a GPU does.
        let there = setting.text(table, 2).replace("compute = \"cpu\"", "compute = \"auto\"\nprecision = \"tf32\"");
        succeeds(&setting.job(&folder, &there, true));
        let places = result();
        let second = places.strip_prefix("the CPU; then ").unwrap();
        assert!(second.starts_with("the CPU; no GPU: CUDA: ") || second.starts_with("cuda:0, "), "{second}");
        assert!(second.ends_with("tf32") || second.contains("tf32, "), "{second}");
        let log = fs::read_to_string(setting.path(&folder).join("log.txt")).unwrap();
        assert!(log.contains("\tcomputes on the CPU\n") && log.contains(&format!("\tcomputes on {second}\n")), "{log}");
        // The control: what changes the numbers is another experiment.
        let other = there.replace("tf32", "bfloat16");
        fails(&setting.job(&folder, &other, true), "holds a run of another experiment");
    }
}

/// The mean of two multipliers is none of them.
#[test]
fn two_budgets_of_one_quantity_have_a_curve_each() {
    let setting = Setting::new();
    let budget =
        |target: u32| format!("[[regularizers]]\nkind = \"constraint\"\nquantity = \"params\"\ntarget = {target}\n");
    let text = setting.text(PROXYLESSNAS, 1);
    let columns = |folder: &str| {
        let metrics = fs::read_to_string(setting.path(folder).join("metrics.csv")).unwrap();
        let rows: Vec<Vec<String>> = metrics.lines().map(|l| l.split(',').map(str::to_owned).collect()).collect();
        let of = |name: &str| {
            let column = rows[0].iter().position(|c| c == name)?;
            rows[2][column].parse::<f64>().ok()
        };
        ["multiplier/params", "multiplier/params/0", "multiplier/params/1"].map(of)
    };
    succeeds(&setting.job("one", &format!("{text}\n{}", budget(27_000)), false));
    let [Some(_), None, None] = columns("one") else { panic!("{:?}", columns("one")) };
    succeeds(&setting.job("two", &format!("{text}\n{}{}", budget(27_000), budget(29_000)), false));
    let [None, Some(tight), Some(wide)] = columns("two") else { panic!("{:?}", columns("two")) };
    assert!(tight > wide, "{tight} {wide}");
}

#[test]
fn a_diverging_training_stops() {
    let setting = Setting::new();
    let text = setting.text(PROXYLESSNAS, 2).replace("learning_rate = 0.05\nclip = 5", "learning_rate = 1e30");
    for naming in ["the loss is NaN at learning rate", "in epoch 1"] {
        fails(&setting.job(&naming.replace(' ', "-"), &text, false), naming);
    }
    // One step an epoch: the loss of the step that breaks the weights is still a number, and they are no checkpoint.
    let one_step =
        setting.text(PROXYLESSNAS, 2).replace("batch_size = 10\nmini_batch = 5", "batch_size = 40\nmini_batch = 5");
    let broken = one_step.replace("learning_rate = 0.05\nclip = 5", "learning_rate = 1e39");
    fails(&setting.job("broken", &broken, false), "the loss is NaN");
    assert!(!setting.path("broken/checkpoint/state.json").exists());
    succeeds(&setting.job("sound", &one_step, false));
    assert!(setting.path("sound/checkpoint/state.json").exists());
}
