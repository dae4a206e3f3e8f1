//! What a training chooses by, how epochs are counted and told, and how a run is extended.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod setting;

use std::fs;

use nasprof_search::job::{Epochs, RunResult};
use nasprof_testkit::data_sets::write_idx;
use setting::{PROXYLESSNAS, Setting, TRAINER, fails, finish, json, remains, succeeds};

/// The first column of a table, without its header.
fn epochs(setting: &Setting, file: &str) -> Vec<String> {
    let text = fs::read_to_string(setting.path(file)).unwrap();
    let mut column: Vec<String> = text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect();
    column.dedup();
    column
}

fn errors(setting: &Setting, run: &str) -> Vec<f64> {
    let text = fs::read_to_string(setting.path(run).join("metrics.csv")).unwrap();
    let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let column = rows.next().unwrap().iter().position(|&name| name == "error/valid").unwrap();
    rows.map(|row| row[column].parse().unwrap()).collect()
}

/// The test images only judge what was chosen: with all of their labels changed the same epoch's weights are kept.
#[test]
fn an_epoch_is_chosen_on_validation_images() {
    let setting = Setting::new();
    let text = setting.text(TRAINER, 4);
    succeeds(&setting.job("run", &text, false));
    let result = RunResult::read(&setting.path("run")).unwrap();
    let training = result.training.clone().unwrap();
    assert_eq!((training.train_images, training.valid_images, result.accuracy_images), (72, 8, Some(20)));
    assert!(result.accuracy_of.starts_with("20 test images"), "{}", result.accuracy_of);
    let errors = errors(&setting, "run");
    let best = errors.iter().position(|&e| errors.iter().all(|&other| e <= other)).unwrap();
    assert_eq!(training.epoch as usize, best + 1, "{errors:?}");
    assert_eq!(training.valid_accuracy, Some(1.0 - errors[best]));
    let kept = fs::read(setting.path("run/weights.safetensors")).unwrap();
    assert_eq!(kept, fs::read(setting.path(&format!("run/checkpoint/best-{:05}.safetensors", best + 1))).unwrap());

    // Labels that the trained network cannot have learnt.
    let labels: Vec<u8> = (0..20).map(|i| ((i + 5) % 10) as u8).collect();
    write_idx(&setting.path("t10k-labels-idx1-ubyte"), &[20], &labels);
    succeeds(&setting.job("others", &text, false));
    let others = RunResult::read(&setting.path("others")).unwrap();
    assert_eq!(others.training, result.training);
    assert!(kept == fs::read(setting.path("others/weights.safetensors")).unwrap(), "chosen by the test images");
    // A run that is resumed has its images under it.
    fails(&setting.job("run", &text.replace("epochs = 4", "epochs = 5"), true), "images of the data set have changed");
    // The control: other training images are another choice.
    succeeds(&setting.job("seed", &text.replace("seed = 5", "seed = 6"), false));
    assert!(kept != fs::read(setting.path("seed/weights.safetensors")).unwrap());
}

#[test]
fn without_validation_images_the_last_epoch_is_kept() {
    let setting = Setting::new();
    let text = setting.text(TRAINER, 3).replace("workers = 1", "workers = 1\ntrain_portion = 1.0");
    succeeds(&setting.job("run", &text, false));
    let training = RunResult::read(&setting.path("run")).unwrap().training.unwrap();
    assert_eq!((training.epoch, training.train_images, training.valid_images), (3, 80, 0));
    assert_eq!(training.valid_accuracy, None);
    let metrics = fs::read_to_string(setting.path("run/metrics.csv")).unwrap();
    assert!(!metrics.contains("valid"), "{metrics}");
}

/// The warm-up comes on top, and that is told wherever epochs are.
#[test]
fn epochs_are_counted_from_one_with_those_of_the_warm_up() {
    let setting = Setting::new();
    let output = finish(&setting.job("run", &setting.text(PROXYLESSNAS, 2), false));
    let told = String::from_utf8(output.stdout).unwrap();
    for words in
        ["3 epochs: 1 of warm-up (weights only), then 2", "epoch 1/3 (warm-up): ", "epoch 2/3: ", "epoch 3/3: "]
    {
        assert!(told.contains(words), "no `{words}` in: {told}");
    }
    let result = RunResult::read(&setting.path("run")).unwrap();
    let expected = Epochs { all: 3, warm_up: 1, after_warm_up: 2, extended_from: Vec::new() };
    assert_eq!(result.epochs, Some(expected));
    for file in ["run/metrics.csv", "run/alphas.csv"] {
        assert_eq!(epochs(&setting, file), ["1", "2", "3"], "{file}");
    }
    let log = fs::read_to_string(setting.path("run/log.txt")).unwrap();
    assert!(log.contains("\tstarted: 3 epochs") && log.contains("\tepoch 3/3: "), "{log}");
    assert!(!log.contains("resumed"), "nothing was resumed: {log}");
    for line in log.lines() {
        let time = line.split('\t').next().unwrap();
        let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(form, "0000-00-00T00:00:00Z", "{line}");
    }
    // Shown again, it is no resumed run either.
    succeeds(&setting.job("run", &setting.text(PROXYLESSNAS, 2), true));
    let log = fs::read_to_string(setting.path("run/log.txt")).unwrap();
    assert!(log.contains("\tfinished: 3 epochs") && !log.contains("resumed"), "{log}");
}

#[test]
fn a_finished_run_goes_on_with_more_epochs() {
    let setting = Setting::new();
    for table in [TRAINER, PROXYLESSNAS] {
        let run = format!("run{}", table.len());
        let (short, long) = (setting.text(table, 2), setting.text(table, 4));
        succeeds(&setting.job(&run, &short, false));
        let before = fs::read_to_string(setting.path(&run).join("metrics.csv")).unwrap();
        fails(&setting.job(&run, &long, false), "`training.epochs` is 2 there and 4 here");
        fails(&setting.job(&run, &setting.text(table, 1), true), "`training.epochs` is 2 there and 1 here");
        succeeds(&setting.job(&run, &long, true));
        let result = RunResult::read(&setting.path(&run)).unwrap();
        let counted = result.epochs.clone().unwrap();
        assert_eq!((counted.after_warm_up, counted.extended_from), (4, vec![2]));
        let after = fs::read_to_string(setting.path(&run).join("metrics.csv")).unwrap();
        assert_eq!(after.lines().count(), before.lines().count() + 2);
        assert!(after.starts_with(before.lines().nth(1).map_or("", |_| &before)), "{before}\n{after}");
        let log = fs::read_to_string(setting.path(&run).join("log.txt")).unwrap();
        assert!(log.contains("\textended from 2 to 4 epochs"), "{log}");
        // And is finished then.
        let kept = remains(&setting.path(&run));
        succeeds(&setting.job(&run, &long, true));
        assert!(remains(&setting.path(&run)) == kept);
        fails(&setting.job(&run, &short, true), "`training.epochs` is 4 there and 2 here");
    }
}

/// Nothing that a run goes on from is taken as it is: each file is checked.
#[test]
fn what_a_run_goes_on_from_is_checked() {
    let setting = Setting::new();
    for (table, files) in [
        (PROXYLESSNAS, ["config.toml", "alphas.csv", "luts.sha256"]),
        (TRAINER, ["config.toml", "checkpoint/best", "checkpoint/best"]),
    ] {
        let run = format!("run{}", table.len());
        let (short, long) = (setting.text(table, 2), setting.text(table, 4));
        succeeds(&setting.job(&run, &short, false));
        let folder = setting.path(&run);
        let state = json(&folder.join("checkpoint/state.json"));
        let tensors = folder.join("checkpoint").join(state["tensors"].as_str().unwrap());
        let best = state["state"]["best"]["weights"].as_str().unwrap_or_default().to_owned();
        for file in files.map(|file| if file == "checkpoint/best" { best.clone() } else { file.to_owned() }) {
            let path = folder.join(&file);
            let content = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            for text in [&long, &long.replace("seed = 5", "seed = 6"), &long.replace("0.05", "0.06")] {
                // The seed is refused before the file is missed, where `config.toml` is there to name it.
                let output = finish(&setting.job(&run, text, true));
                let words = String::from_utf8(output.stdout).unwrap();
                assert_eq!(output.status.code(), Some(2), "{file}: {words}");
                let naming = if file == "config.toml" || *text == long { file.as_str() } else { "another experiment" };
                assert!(words.contains(naming), "no `{naming}` in: {words}");
            }
            fs::write(&path, content).unwrap();
            // What was refused left nothing that would refuse the next one.
            succeeds(&setting.job(&run, &short, true));
        }
        let content = fs::read(&tensors).unwrap();
        for bit in [content.len() * 4, content.len() * 8 - 9] {
            let mut flipped = content.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&tensors, flipped).unwrap();
            fails(&setting.job(&run, &long, true), "safetensors: was altered");
        }
        fs::write(&tensors, content).unwrap();
        // The control: as it was, it goes on.
        succeeds(&setting.job(&run, &long, true));
    }
}
