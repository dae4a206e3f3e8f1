//! Searches and trainings of a small space on small images, run by the built program.

#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nasprof_search::config::Experiment;
use nasprof_search::events::RunEvent;
use nasprof_search::job::{Existing, Job, Task};
use serde_json::Value;

const SPACE: &str = r#"
format_version = 1
kind = "mobilenet"
input = [1, 28, 28]
num_classes = 10
width_mult = 0.25
settings = [[8, 2, 2], [16, 2, 2]]
candidates = ["MB1 3x3", "MB3 3x3"]
skip_connect = true
drop_rate = 0.2
"#;

/// A search on 80 training and 20 test images.
pub(crate) struct Setting(tempfile::TempDir);

impl Setting {
    pub(crate) fn new() -> Self {
        let folder = nasprof_testkit::data_sets::fashion(80, 20);
        fs::write(folder.path().join("space.toml"), SPACE).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn text(&self, table: &str, epochs: u32) -> String {
        let warm_up = u32::from(table.starts_with("[searcher]"));
        let architecture = if table.contains("proxylessnas") || table.contains("darts") {
            "[optimizers.architecture]\nkind = \"adam\"\nlearning_rate = 0.01\nbetas = [0.5, 0.999]\n"
        } else {
            ""
        };
        format!(
            r#"
format_version = 1
space = {:?}
seed = 5
[data]
dataset = "fashion-mnist"
path = {:?}
workers = 1
[training]
epochs = {epochs}
warm_up_epochs = {warm_up}
batch_size = 10
mini_batch = 5
valid_batch_size = 10
label_smoothing = 0.1
threads = 1
compute = "cpu"
[optimizers.weights]
kind = "momentum"
learning_rate = 0.05
clip = 5
schedule = {{ kind = "cosine" }}
{architecture}
{table}
"#,
            self.path("space.toml"),
            self.path("")
        )
    }

    pub(crate) fn job(&self, folder: &str, text: &str, resume: bool) -> Job {
        let experiment = Experiment::parse(text, &[]).unwrap();
        let existing = if resume { Existing::Resume } else { Existing::Refuse };
        Job { task: Task::Run, experiment, folder: self.path(folder), existing }
    }
}

pub(crate) fn start(job: &Job) -> Child {
    start_with(job, &[])
}

/// With variables of the environment.
pub(crate) fn start_with(job: &Job, variables: &[(&str, &str)]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nasprof-search"));
    command.envs(variables.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(job).unwrap()).unwrap();
    child
}

pub(crate) fn finish(job: &Job) -> Output {
    start(job).wait_with_output().unwrap()
}

pub(crate) fn succeeds(job: &Job) {
    let output = finish(job);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

pub(crate) fn fails(job: &Job, naming: &str) {
    let output = finish(job);
    let words = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{words}");
    let told: Vec<RunEvent> = words.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed = |t: &RunEvent| matches!(t, RunEvent::Failed { message, .. } if message.contains(naming));
    assert!(told.iter().any(failed), "no `{naming}` in: {words}");
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// All that a run leaves but its times: tensors, numbers, winner.
pub(crate) fn remains(folder: &Path) -> (Vec<u8>, Value, Value) {
    let mut state = json(&folder.join("checkpoint/state.json"));
    let tensors = fs::read(folder.join("checkpoint").join(state["tensors"].as_str().unwrap())).unwrap();
    let mut result = json(&folder.join("result.json"));
    state["state"]["seconds"] = Value::Null;
    state["sha256"] = Value::Null;
    result["seconds"] = Value::Null;
    (tensors, state, result)
}

pub(crate) const PROXYLESSNAS: &str = "[searcher]\nkind = \"proxylessnas\"\nsamples = 2";
/// One step of it takes longer than any test.
pub(crate) const ENDLESS: &str = "[searcher]\nkind = \"proxylessnas\"\nsamples = 10000";
pub(crate) const TRAINER: &str = "[trainer]\narch = \"random\"";
