//! Searches and trainings with libtorch, from the experiment to the measured winner.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use nasprof_testkit::skip::skip;
use serde_json::Value;

use crate::harness::Folder;

const SPACE: &str = "format_version = 1\nkind = \"mobilenet\"\ninput = [1, 28, 28]\nnum_classes = 10\n\
    width_mult = 0.25\nsettings = [[8, 2, 2], [16, 2, 2]]\ncandidates = [\"MB3 3x3\", \"MB6 3x3\", \"MB6 5x5\"]\n\
    skip_connect = true\n";

const SEARCH: &str = r#"
format_version = 1
space = "space.toml"
device = "synthetic:quiet"
[data]
dataset = "fashion-mnist"
path = "images"
train_portion = 0.8
workers = 1
[training]
epochs = 3
warm_up_epochs = 1
batch_size = 10
valid_batch_size = 10
threads = 1
compute = "cpu"
[optimizers.weights]
kind = "momentum"
learning_rate = 0.05
[optimizers.architecture]
kind = "adam"
learning_rate = 0.05
[[regularizers]]
kind = "constraint"
quantity = "latency"
target = 1e6
lut = "a.parquet"
[searcher]
kind = "proxylessnas"
samples = 2
"#;

const TRAIN: &str = r#"
format_version = 1
space = "space.toml"
[data]
dataset = "fashion-mnist"
path = "images"
[training]
epochs = 2
batch_size = 10
threads = 1
compute = "cpu"
[optimizers.weights]
kind = "momentum"
learning_rate = 0.05
[trainer]
arch = "run/arch.json"
"#;

/// A folder with images, experiments and a LUT; `None` where no search can be run.
fn folder() -> Option<(Folder, PathBuf)> {
    let Some(agent) = std::env::var_os("NASPROF_TEST_TORCH_AGENT").map(PathBuf::from) else {
        skip("NASPROF_TEST_TORCH_AGENT names no agent with libtorch (`make test` does)");
        return None;
    };
    let program = agent.with_file_name("nasprof-search");
    assert!(program.is_file(), "{} is missing; `make test` builds it", program.display());
    let folder = Folder::new();
    fs::create_dir(folder.path("images")).unwrap();
    for (name, count) in [("train", 100), ("t10k", 20)] {
        // A class is a bright row.
        let pixel = |i: usize, p: usize| if p / 28 / 2 == i % 10 { 200 } else { ((i * 31 + p * 7) % 64) as u8 };
        let pixels: Vec<u8> = (0..count).flat_map(|i| (0..784).map(move |p| pixel(i, p))).collect();
        idx(&folder.path("images").join(format!("{name}-images-idx3-ubyte")), &[count, 28, 28], &pixels);
        let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
        idx(&folder.path("images").join(format!("{name}-labels-idx1-ubyte")), &[count], &labels);
    }
    for (name, text) in [("space.toml", SPACE), ("search.toml", SEARCH), ("train.toml", TRAIN)] {
        fs::write(folder.path(name), text).unwrap();
    }
    folder.ok("measure --device synthetic:quiet --space space.toml -o a.parquet");
    Some((folder.with_search(program.clone()), program))
}

fn idx(path: &Path, dimensions: &[usize], data: &[u8]) {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|&d| (d as u32).to_be_bytes()));
    bytes.extend(data);
    fs::write(path, bytes).unwrap();
}

fn json(folder: &Folder, name: &str) -> Value {
    serde_json::from_slice(&folder.read(name)).unwrap()
}

/// Latency of the most and least expensive of some networks.
fn range(folder: &Folder) -> (f64, f64) {
    let drawn = folder.ok("space sample space.toml -n 30 --seed 1");
    let latency = |arch: &str| {
        fs::write(folder.path("drawn.json"), arch).unwrap();
        let line = folder.ok("estimate --lut a.parquet --space space.toml --arch drawn.json --json");
        serde_json::from_str::<Value>(&line).unwrap()["latency_ms"].as_f64().unwrap()
    };
    let all: Vec<f64> = drawn.lines().map(latency).collect();
    (all.iter().copied().fold(f64::INFINITY, f64::min), all.iter().copied().fold(0.0, f64::max))
}

#[test]
fn a_search_ends_with_a_measured_winner_that_can_be_trained() {
    let Some((folder, _)) = folder() else { return };
    let (low, high) = range(&folder);
    let target = low + 0.6 * (high - low);
    let search = format!("search search.toml -o run --set regularizers.0.target={target}");
    let ran = folder.run(&format!("{search} --json"));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("epoch 4/4: ") && ran.stderr.contains("epoch 1/4 (warm-up): "),
        "no terminal, so a line an epoch: {}",
        ran.stderr
    );
    let result: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(result, json(&folder, "run/result.json"));
    assert_eq!(result["arch"], json(&folder, "run/arch.json"));
    assert_eq!(result["target_ms"], target);
    let number = |path: &str| result.pointer(path).and_then(Value::as_f64).unwrap();
    let (estimated, measured) = (number("/estimated_ms"), number("/measured/latency_ms"));
    assert!(estimated <= target * 1.01 && (measured / estimated - 1.0).abs() < 0.05, "{estimated} {measured}");
    let list = |key: &str| result[key].as_array().cloned().unwrap_or_default();
    // Where several were measured, what counts was measured side by side.
    let selections = if list("side_by_side").is_empty() { list("selections") } else { list("side_by_side") };
    assert!(selections.iter().any(|s| s["arch"] == result["arch"] && s["measured"] == result["measured"]));
    assert_eq!(result["measured"]["processes_ms"].as_array().unwrap().len(), 5);
    // The estimate is that of the command for one architecture.
    let line = folder.ok("estimate --lut a.parquet --space space.toml --arch run/arch.json --json");
    let alone = serde_json::from_str::<Value>(&line).unwrap()["latency_ms"].as_f64().unwrap();
    assert!((alone / estimated - 1.0).abs() < 1e-9, "{alone} {estimated}");
    let refused = folder.fails(&search, 2, "already holds a finished run of this experiment");
    assert!(refused.stderr.contains("hint: --resume shows its result"), "{}", refused.stderr);
    // The winner, trained.
    let trained: Value = serde_json::from_str(&folder.ok("train train.toml -o trained --json")).unwrap();
    assert_eq!((&trained["arch"], &trained["params"]), (&result["arch"], &result["params"]));
    assert!(trained["accuracy_of"].as_str().unwrap().starts_with("20 test images"));
    assert!(folder.path("trained/weights.safetensors").is_file());
    // It is over, so it is shown; measured anew, the LUT is another one under the same name.
    folder.ok(&format!("{search} --resume"));
    folder.ok("measure --device synthetic:quiet --space space.toml --seed 5 -o other.parquet");
    fs::rename(folder.path("other.parquet"), folder.path("a.parquet")).unwrap();
    folder.fails(&format!("{search} --resume"), 2, "a.parquet has changed since this run began");
}

fn start(folder: &Folder, line: &str) -> Child {
    folder.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until an epoch of the run is on disk.
fn wait_for_checkpoint(folder: &Folder, child: &mut Child) {
    while !folder.path("killed/checkpoint/state.json").is_file() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The program that trains, started by the command line.
fn trainer_of(child: &Child) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(children_of(child).split_whitespace().next().unwrap().parse().unwrap())
}

fn has_trainer(child: &Child) -> bool {
    !children_of(child).trim().is_empty()
}

fn children_of(child: &Child) -> String {
    fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap()
}

#[test]
fn a_killed_search_goes_on_to_the_same_winner() {
    let Some((folder, _)) = folder() else { return };
    let line = "search search.toml --set training.epochs=12 --json";
    let without_times = |text: &str| {
        let mut result: Value = serde_json::from_str(text).unwrap();
        result["seconds"] = Value::Null;
        result
    };
    let whole = without_times(&folder.ok(&format!("{line} -o whole")));
    // First the program that trains is killed, which the command line tells; then the command line itself.
    let mut child = start(&folder, &format!("{line} -o killed"));
    wait_for_checkpoint(&folder, &mut child);
    nix::sys::signal::kill(trainer_of(&child), nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let mut child = start(&folder, &format!("{line} -o killed --resume"));
    // Not before it has its trainer; how far that is does not matter.
    while !has_trainer(&child) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it had a trainer");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it left behind notices that nobody listens, and ends.
    let mut resumed = folder.run(&format!("{line} -o killed --resume"));
    for _ in 0..2400 {
        if !resumed.stderr.contains("another run is using this folder") {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
        resumed = folder.run(&format!("{line} -o killed --resume"));
    }
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    assert_eq!(without_times(&resumed.stdout), whole);
    let weights = |run: &str| {
        let name = json(&folder, &format!("{run}/checkpoint/state.json"))["tensors"].as_str().unwrap().to_owned();
        folder.read(&format!("{run}/checkpoint/{name}"))
    };
    assert!(weights("whole") == weights("killed"), "the weights differ");
    // The control: another seed ends with other weights.
    folder.ok(&format!("{line} -o other --set seed=1"));
    assert!(weights("whole") != weights("other"), "the seed changes nothing");
}

#[test]
fn an_interrupted_search_says_how_to_go_on() {
    let Some((folder, _)) = folder() else { return };
    let line = "search search.toml --set training.epochs=500 -o killed";
    let mut child = folder.command(line).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for_checkpoint(&folder, &mut child);
    let trainer = trainer_of(&child);
    let itself = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(itself, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(5), "{words}");
    assert!(words.contains("error: interrupted") && words.contains("--resume"), "{words}");
    assert!(nix::sys::signal::kill(trainer, None).is_err(), "the trainer still runs");
    assert!(folder.path("killed/checkpoint/state.json").is_file() && !folder.path("killed/result.json").exists());
}

/// A program that waits for ever for its GPU says nothing: it is ended, so that the run can be resumed.
#[test]
fn a_training_without_progress_is_ended() {
    let folder = Folder::new();
    let program = folder.path("fake-search");
    fs::write(folder.path("train.toml"), TRAIN).unwrap();
    let folder = folder.with_search(program.clone());
    let ends = |work: &str, minutes: Option<&str>, code: i32, naming: &str| {
        fs::write(&program, format!("#!/bin/sh\ncat > /dev/null\necho '{{\"line\":\"started\"}}'\n{work}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = folder.command("train train.toml -o run");
        minutes.map(|minutes| command.env("NASPROF_MAX_SILENCE", minutes));
        let output = command.output().unwrap();
        let words = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words}");
        assert!(words.contains(naming) && words.contains("hint:"), "no `{naming}` in {words}");
    };
    ends("exec sleep 1000", Some("0.01"), 5, "the training made no progress for 0.01 minutes");
    ends("exec sleep 1000", Some("soon"), 2, "NASPROF_MAX_SILENCE: is not a number of minutes");
    // The control: with the usual limit a pause longer than that ends nothing.
    let failing = "sleep 2\necho '{\"failed\":{\"message\":\"its own end\",\"hint\":\"none\"}}'\nexit 2";
    ends(failing, None, 2, "its own end");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_written() {
    let Some((folder, program)) = folder() else { return };
    let ran = folder.fails("search search.toml -o run --set regularizers.0.target=1e-6", 2, "the cheapest network has");
    let named = ran.stderr.split("ms: ").nth(2).unwrap().lines().next().unwrap();
    let named: Value = serde_json::from_str(named).unwrap_or_else(|e| panic!("{e}: {}", ran.stderr));
    fs::write(folder.path("fastest.json"), named.to_string()).unwrap();
    let line = folder.ok("estimate --lut a.parquet --space space.toml --arch fastest.json --json");
    let fastest = serde_json::from_str::<Value>(&line).unwrap()["latency_ms"].as_f64().unwrap();
    let (low, _) = range(&folder);
    assert!(fastest <= low, "{fastest} is not the fastest: {low}");
    for (set, naming) in [
        ("training.epoch=3", "did you mean `epochs`"),
        ("data.path=nowhere", "nowhere"),
        ("data.train_portion=1.5", "train_portion"),
        ("training.batch_size=1000", "batch_size"),
        ("regularizers.0.lut=none.parquet", "none.parquet"),
        ("device=local", "device"),
    ] {
        let ran = folder.fails(&format!("search search.toml -o run --set {set}"), 2, naming);
        assert_eq!(ran.stderr.lines().filter(|l| l.starts_with("error: ")).count(), 1, "{}", ran.stderr);
    }
    let missing = folder.fails("search search.toml -o run --set data.path=nowhere", 2, "hint:");
    assert!(missing.stderr.contains("dataset-fashion-mnist"), "{}", missing.stderr);
    folder.fails("train train.toml -o run", 2, "run/arch.json");
    folder.fails("search train.toml -o run", 2, "no table `searcher`");
    assert!(!folder.path("run").exists());
    // Without the program, and with one that is something else.
    let gone = folder.with_search(program.with_file_name("nowhere"));
    gone.fails("search search.toml -o run", 2, "nowhere");
    gone.with_search("/bin/cat".into()).fails("search search.toml -o run", 2, "sent an unexpected message");
}
