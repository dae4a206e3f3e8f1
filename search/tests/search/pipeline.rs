//! Select, measure, select again, with a trainer and a device that are none.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use nasprof_graph::arch::ArchFile;
use nasprof_search::config::Experiment;
use nasprof_search::evolution::{RunError, Sampling};
use nasprof_search::folder::{Checkpoint, FolderError, STATE};
use nasprof_search::job::{Existing, Job, RunResult, Task};
use nasprof_search::pipeline::{self, SampledSearch, Trainer, Watch};
use nasprof_search::winner::{DeviceEvaluator, Latency, Measured};
use tempfile::TempDir;

const SEARCH: &str = r#"
format_version = 1
space = "mobilenet-fashion-mnist"
[data]
dataset = "fashion-mnist"
[training]
epochs = 1
batch_size = 10
[optimizers.weights]
kind = "sgd"
learning_rate = 0.1
[searcher]
kind = "fairnas"
samples = 1
"#;

const DRAWN: &str = "format_version = 1\nspace = \"mobilenet-fashion-mnist\"\n[[regularizers]]\nkind = \"reject\"\n\
    quantity = \"params\"\nupper = 150000\n[searcher]\nkind = \"random\"\nscore = \"macs\"\nsamples = 20\n";

/// What the device and the trainer report.
#[derive(Debug)]
struct Failed(String);

impl From<FolderError> for Failed {
    fn from(error: FolderError) -> Self {
        Self(error.to_string())
    }
}

impl From<RunError> for Failed {
    fn from(error: RunError) -> Self {
        Self(error.to_string())
    }
}

fn measured(latency_ms: f64) -> Measured {
    let (ci_ms, level, processes_ms) = (None, None, Vec::new());
    Measured {
        latency_ms,
        ci_ms,
        processes_ms,
        disturbed_processes: 0,
        level,
        device: "fake".to_owned(),
        timing: None,
        allow_noisy: false,
    }
}

/// Writes what a trainer leaves: a finished run whose winner has 100 ms by a LUT that is multiplied by a factor.
#[derive(Default)]
struct Fake {
    jobs: Vec<Job>,
    again: Vec<f64>,
}

impl Trainer for Fake {
    type Error = Failed;

    fn run(&mut self, job: &Job) -> Result<(), Failed> {
        self.jobs.push(job.clone());
        let factor = if let Task::Select { factor } = job.task { factor } else { 1.0 };
        let choices = BTreeMap::from([("n".to_owned(), format!("{:.0}", 1000.0 / factor))]);
        let arch = ArchFile { format_version: 1, space: "numbers".to_owned(), choices };
        let latency =
            Latency { target_ms: Some(100.0), estimated_ms: Some(100.0 / factor), factor, ..Latency::unknown() };
        write(&job.folder, &job.experiment);
        Ok(result(arch, latency).write(&job.folder)?)
    }

    fn selecting_again(&mut self, factor: f64) {
        self.again.push(factor);
    }
}

fn write(folder: &Path, experiment: &Experiment) {
    fs::create_dir_all(folder.join("checkpoint")).unwrap();
    let config = experiment.resolved_toml();
    fs::write(folder.join("config.toml"), &config).unwrap();
    let of = (String::new(), String::new(), config);
    let text = Checkpoint::new(of, 1, "none".to_owned(), Vec::new(), 0).to_text().unwrap();
    fs::write(folder.join(STATE), text).unwrap();
}

fn result(arch: ArchFile, latency: Latency) -> RunResult {
    RunResult {
        format_version: 1,
        arch: Some(arch),
        latency,
        feasible: true,
        repaired: false,
        accuracy: 0.5,
        accuracy_of: "10 validation images".to_owned(),
        accuracy_images: Some(10),
        computed_on: None,
        epochs: None,
        training: None,
        spent: None,
        quantities: Vec::new(),
        params: 1,
        macs: 1,
        seconds: 1.0,
        seed: 0,
    }
}

fn job(folder: &TempDir, existing: Existing) -> Job {
    let experiment = Experiment::parse(SEARCH, &[]).unwrap();
    Job { task: Task::Run, experiment, folder: folder.path().join("run"), existing }
}

/// A device whose networks take a tenth more than the LUT says, and what it measured.
fn slower(times: &mut Vec<f64>) -> impl FnMut(&ArchFile) -> Result<Measured, Failed> {
    |arch| {
        let by_lut: f64 = arch.choices["n"].parse::<f64>().unwrap() / 10.0;
        times.push(by_lut * 1.1);
        Ok(measured(by_lut * 1.1))
    }
}

#[test]
fn a_winner_that_misses_its_target_is_selected_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut trainer, mut times) = (Fake::default(), Vec::new());
    let found =
        pipeline::trained(&job(&folder, Existing::Refuse), &mut trainer, Some(&mut slower(&mut times))).unwrap();
    // One after the other, then side by side, the nearer one first.
    assert_eq!(times.len(), 4, "{times:?}");
    assert_eq!(times[2..], [times[1], times[0]]);
    assert_eq!(found.latency.side_by_side.len(), 2);
    assert!((times[0] / 100.0 - 1.1).abs() < 1e-9 && (times[1] / 100.0 - 1.0).abs() < 0.01, "{times:?}");
    assert_eq!(trainer.again.len(), 1);
    assert!((trainer.again[0] - 1.1).abs() < 1e-9 && found.latency.is_final);
    assert_eq!(trainer.jobs.iter().map(|job| job.task == Task::Run).collect::<Vec<_>>(), [true, false]);
    assert_eq!(found, RunResult::read(&folder.path().join("run")).unwrap());

    // Settled: nothing is run or measured again, and the result is the same.
    let (mut idle, mut none) = (Fake::default(), Vec::new());
    let again = pipeline::trained(&job(&folder, Existing::Resume), &mut idle, Some(&mut slower(&mut none))).unwrap();
    assert_eq!((again, idle.jobs.len(), none.len()), (found, 0, 0));
    // The control: a result that is not as it was written is not taken.
    let path = folder.path().join("run/result.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"accuracy\": 0.5", "\"accuracy\": 0.9");
    fs::write(&path, text).unwrap();
    let error = pipeline::trained(&job(&folder, Existing::Resume), &mut idle, None).unwrap_err();
    assert!(error.0.contains("result.json: was altered"), "{error:?}");
}

/// A device that tells its level: the first winner that is measured is one for that level.
struct Levelled(f64, Vec<f64>);

impl DeviceEvaluator for Levelled {
    type Error = Failed;

    fn level(&mut self) -> Result<Option<f64>, Failed> {
        Ok(Some(self.0))
    }

    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, Failed> {
        slower(&mut self.1)(arch)
    }

    fn measure_side_by_side(&mut self, archs: &[ArchFile]) -> Result<Vec<Measured>, Failed> {
        archs.iter().map(|arch| self.measure(arch)).collect()
    }
}

#[test]
fn the_first_winner_is_selected_at_the_level_of_now() {
    let found = |level: f64| {
        let folder = tempfile::tempdir().unwrap();
        let (mut trainer, mut device) = (Fake::default(), Levelled(level, Vec::new()));
        let found = pipeline::trained(&job(&folder, Existing::Refuse), &mut trainer, Some(&mut device)).unwrap();
        (found, trainer.again, device.1)
    };
    let (winner, again, times) = found(1.1);
    assert_eq!((again, times.len()), (vec![1.1], 1), "one selection, measured once");
    assert!((times[0] / 100.0 - 1.0).abs() < 0.01 && winner.latency.factor == 1.1 && winner.latency.is_final);
    // Control: at the LUT's level the winner of the search is measured, and misses.
    let (_, again, times) = found(1.004);
    assert!(again.len() == 1 && (times[0] / 100.0 - 1.1).abs() < 1e-9, "{again:?} {times:?}");
}

#[test]
fn without_a_device_nothing_is_selected_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = Fake::default();
    let found = pipeline::trained(&job(&folder, Existing::Refuse), &mut trainer, None).unwrap();
    assert_eq!((found.latency.measured, trainer.jobs.len()), (None, 1));
    let error = pipeline::trained(&job(&folder, Existing::Refuse), &mut trainer, None).unwrap_err();
    assert!(error.0.contains("already holds a finished run of this experiment"), "{error:?}");
    assert_eq!(trainer.jobs.len(), 1, "refused before anything is run");
}

#[test]
fn a_device_that_fails_ends_the_search_and_keeps_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut gone = |_: &ArchFile| Err(Failed("the device is gone".to_owned()));
    let error = pipeline::trained(&job(&folder, Existing::Refuse), &mut Fake::default(), Some(&mut gone)).unwrap_err();
    assert_eq!(error.0, "the device is gone");
    // It goes on there.
    let (mut trainer, mut times) = (Fake::default(), Vec::new());
    let found =
        pipeline::trained(&job(&folder, Existing::Resume), &mut trainer, Some(&mut slower(&mut times))).unwrap();
    assert!(found.latency.is_final && times.len() == 4, "two, and the same two side by side: {times:?}");
}

/// Lets so many draws go by.
struct Patience(u64);

impl Watch for Patience {
    fn sampling(&mut self, sampling: &Sampling) -> bool {
        sampling.sampled <= self.0
    }

    fn selecting_again(&mut self, _: f64) {}
}

#[test]
fn a_search_without_training_is_measured_once_and_can_be_ended() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = Experiment::parse(DRAWN, &[]).unwrap();
    let search =
        |existing| SampledSearch { experiment: experiment.clone(), folder: folder.path().join("run"), existing };
    let error = pipeline::sampled::<Failed>(&search(Existing::Refuse), &mut Patience(5), None).unwrap_err();
    assert!(error.0.contains("interrupted after") && !folder.path().join("run").exists(), "{error:?}");
    let mut times = 0;
    let mut device = |_: &ArchFile| -> Result<Measured, Failed> {
        times += 1;
        Ok(measured(3.0))
    };
    let found = pipeline::sampled(&search(Existing::Refuse), &mut Patience(u64::MAX), Some(&mut device)).unwrap();
    assert!(found.latency.is_final);
    let again = pipeline::sampled(&search(Existing::Resume), &mut Patience(0), Some(&mut device)).unwrap();
    assert_eq!((again, times), (found, 1));
}
