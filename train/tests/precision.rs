//! Trainings in 16-bit floats and with channels last, against the same ones in 32-bit floats.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod setting;

use std::fs;

use nasprof_search::job::RunResult;
use setting::{PROXYLESSNAS, Setting, TRAINER, json, succeeds};

/// Losses of the training images, an epoch each.
fn losses(setting: &Setting, folder: &str) -> Vec<f64> {
    let metrics = fs::read_to_string(setting.path(folder).join("metrics.csv")).unwrap();
    let rows: Vec<Vec<&str>> = metrics.lines().map(|line| line.split(',').collect()).collect();
    let column = rows[0].iter().position(|name| *name == "loss/train").unwrap();
    rows[1..].iter().map(|row| row[column].parse().unwrap()).collect()
}

fn run(setting: &Setting, folder: &str, table: &str, keys: &str) -> Vec<f64> {
    let text = setting.text(table, 1).replace("threads = 1", &format!("threads = 1\n{keys}"));
    succeeds(&setting.job(folder, &text, false));
    losses(setting, folder)
}

fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, f64::max)
}

const DARTS: &str = "[searcher]\nkind = \"darts\"";
const GATE: &str = "[searcher]\nkind = \"proxylessnas\"\ngradient = \"gate\"";

#[test]
fn sixteen_bits_train_as_thirty_two_do() {
    let setting = Setting::new();
    for (i, table) in [TRAINER, PROXYLESSNAS, DARTS, GATE].into_iter().enumerate() {
        let exact = run(&setting, &format!("exact{i}"), table, "");
        // In float16 the first steps overflow until the scale has fallen, and change nothing: of few steps that is much. How near its losses
        // are where no step is lost is tested beside `Numerics`.
        for (precision, most) in [("bfloat16", 0.1), ("float16", 0.5)] {
            let folder = format!("{precision}{i}");
            let found = run(&setting, &folder, table, &format!("precision = \"{precision}\""));
            let off = difference(&found, &exact);
            assert!(off < most, "{table} in {precision}: {found:?} for {exact:?}");
            assert!(off > 0.0, "{precision} changes nothing");
            let words = RunResult::read(&setting.path(&folder)).unwrap().computed_on.unwrap();
            assert_eq!(words, format!("the CPU, {precision}"));
            // Losses are scaled where small gradients would vanish, and there only.
            let state = &json(&setting.path(&folder).join("checkpoint/state.json"))["state"];
            let scale = if i == 0 { &state["loss_scale"] } else { &state["session"]["loss_scale"] };
            assert_eq!(scale.is_null(), precision == "bfloat16", "{scale}");
        }
    }
}

#[test]
fn channels_lie_where_they_are_asked_to_and_change_no_result() {
    let setting = Setting::new();
    for (i, table) in [TRAINER, DARTS].into_iter().enumerate() {
        let plain = run(&setting, &format!("plain{i}"), table, "");
        let last = run(&setting, &format!("last{i}"), table, "layout = \"channels-last\"");
        assert!(difference(&last, &plain) < 1e-4, "{table}: {last:?} for {plain:?}");
        // A resumed run has its state where its tensors are.
        let text = setting.text(table, 2).replace("threads = 1", "threads = 1\nlayout = \"channels-last\"");
        succeeds(&setting.job(&format!("last{i}"), &text, true));
        assert_eq!(losses(&setting, &format!("last{i}")).len(), last.len() + 1);
    }
}
