//! `nasprof search` and `nasprof train`: they run `nasprof-search`, which links libtorch.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;

use nasprof_base::text::{bytes, ms, percent};
use nasprof_graph::arch::ArchFile;
use nasprof_lut::Lut;
use nasprof_search::config::{Experiment, Quantity};
use nasprof_search::events::RunEvent;
use nasprof_search::evolution::{self, SampledResult};
use nasprof_search::job::{Existing, FILES, Job, RunResult, Task};
use nasprof_search::lut_files;
use nasprof_search::winner::{DeviceEvaluator, Found, Latency, Measured, select_on_device};
use serde::de::DeserializeOwned;

use super::{kept_journal, print, print_json, status, validate};
use crate::cli::{RunArgs, SearchArgs};
use crate::display::SearchView;
use crate::failure::{Exit, Failure};
use crate::interruption::{Kept, interruption, while_interruptible};
use crate::outputs::Outputs;
use crate::resolve;

pub(super) fn search(args: &SearchArgs) -> Result<ExitCode, Failure> {
    let run = &args.run;
    let experiment = Experiment::read(&run.experiment, &run.set)?;
    let name = run.experiment.display();
    match &experiment.searcher {
        None => Err(Failure::usage(format!("{name} has no table `searcher`")).hint("`nasprof train` runs trainings")),
        Some(searcher) if searcher.trains() => train_and_measure(args, experiment),
        Some(_) => search_without_training(args, experiment),
    }
}

pub(super) fn train(args: &RunArgs) -> Result<ExitCode, Failure> {
    let experiment = Experiment::read(&args.experiment, &args.set)?;
    if experiment.trainer.is_none() {
        let name = args.experiment.display();
        return Err(Failure::usage(format!("{name} has no table `trainer`")).hint("`nasprof search` runs searches"));
    }
    let job = Job { task: Task::Run, folder: folder(args, &experiment)?, experiment, existing: existing(args) };
    start(&job)?;
    print_result(args, &job.folder, &read(&job.folder)?)
}

/// A search without training needs no libtorch and takes seconds.
fn search_without_training(args: &SearchArgs, experiment: Experiment) -> Result<ExitCode, Failure> {
    let lut = lut_to_measure_with(args, &experiment)?;
    let folder = folder(&args.run, &experiment)?;
    let found = match final_result(args, &folder, &experiment) {
        Some(found) => found,
        None => {
            let found = evolution::run(experiment.clone(), &folder, existing(&args.run), 1.0)?;
            let context = DeviceContext::new(&experiment, lut.as_ref(), args);
            let mut evaluator = SampledEvaluator { context, experiment: &experiment, folder: folder.clone() };
            if lut.is_some() { select_on_device(found, &mut evaluator)? } else { found }
        }
    };
    if args.run.json {
        print_json(&found)?;
    } else {
        print(format!("run           {}", folder.display()))?;
        print(format!("{:<13} {} (the score; of {} architectures)", found.score, found.value, found.evaluated))?;
        for quantity in &found.quantities {
            let name = &quantity.quantity;
            let upper = quantity.upper.map(|upper| format!(" (at most {})", amount(name, upper)));
            print(format!("{name:<13} {}{}", amount(name, quantity.estimated), upper.unwrap_or_default()))?;
        }
        show_measured(&found.latency)?;
        print(format!("front         {} architectures in pareto.csv", found.front))?;
    }
    within_limit(&found.latency)
}

fn existing(args: &RunArgs) -> Existing {
    kept_journal::existing(args.resume, args.overwrite)
}

/// The run folder, if its files are none of those that the run reads. That a run is gone on with by its own `config.toml` is
/// fine: it is not written then.
fn folder(args: &RunArgs, experiment: &Experiment) -> Result<PathBuf, Failure> {
    let default = || PathBuf::from("runs").join(resolve::file_name(&args.experiment.to_string_lossy()));
    let folder = args.output.clone().unwrap_or_else(default);
    let luts = experiment.regularizers.iter().filter_map(|regularizer| regularizer.lut.clone());
    let inputs = luts.chain([args.experiment.clone(), PathBuf::from(&experiment.space)]);
    let files: Vec<&str> = FILES.into_iter().filter(|name| !(args.resume && *name == "config.toml")).collect();
    Outputs::of(inputs).check_folder(&folder, &files)?;
    Ok(folder)
}

fn train_and_measure(args: &SearchArgs, experiment: Experiment) -> Result<ExitCode, Failure> {
    let lut = lut_to_measure_with(args, &experiment)?;
    let folder = folder(&args.run, &experiment)?;
    if let Some(result) = final_result::<RunResult>(args, &folder, &experiment) {
        print_result(&args.run, &folder, &result)?;
        return within_limit(&result.latency);
    }
    let job = Job { task: Task::Run, experiment, folder, existing: existing(&args.run) };
    start(&job)?;
    let mut result = read(&job.folder)?;
    if lut.is_some() {
        let mut evaluator =
            TrainedEvaluator { context: DeviceContext::new(&job.experiment, lut.as_ref(), args), job: &job };
        result = select_on_device(result, &mut evaluator)?;
    }
    if !result.feasible {
        status("warning: no architecture within the limits was found; the winner is the one that misses them least");
    }
    print_result(&args.run, &job.folder, &result)?;
    within_limit(&result.latency)
}

/// What a run that is resumed has already come to: its winner is not measured once more.
fn final_result<T: Found + DeserializeOwned>(args: &SearchArgs, folder: &Path, experiment: &Experiment) -> Option<T> {
    let text = |name| fs::read_to_string(folder.join(name)).ok().filter(|_| args.run.resume);
    Experiment::parse(&text("config.toml")?, &[]).ok().filter(|kept| kept == experiment)?;
    if lut_files::changed(folder, experiment).is_some() {
        return None;
    }
    let mut found: T = serde_json::from_str(&text("result.json")?).ok()?;
    found.latency().is_final.then_some(found)
}

/// What could keep the winner from being measured is said before hours of training and not after.
fn lut_to_measure_with(args: &SearchArgs, experiment: &Experiment) -> Result<Option<Lut>, Failure> {
    let Some(device) = &experiment.device else { return Ok(None) };
    let lut = lut_of(experiment, device)?;
    validate::check_clocks(&lut, args.lock_clocks)?;
    resolve::device(&lut.context.header.device, &[])?;
    Ok(Some(lut))
}

/// A winner that the device found to exceed a hard limit is none.
fn within_limit(latency: &Latency) -> Result<ExitCode, Failure> {
    match (latency.within_limit, latency.limit_ms, &latency.measured) {
        (Some(false), Some(limit), Some(measured)) => {
            let tried = latency.selections.len();
            let problem = format!(
                "none of {tried} selected networks has at most {} on {}: the nearest has {}",
                ms(limit),
                measured.device,
                ms(measured.latency_ms)
            );
            Err(Failure::usage(problem)
                .hint("result.json has all that were measured; raise the limit or measure the LUT anew"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn print_result(args: &RunArgs, folder: &Path, result: &RunResult) -> Result<ExitCode, Failure> {
    if args.json {
        print_json(result)?
    } else {
        show(folder, result)?
    }
    Ok(ExitCode::SUCCESS)
}

/// The first LUT of the experiment that was measured on the device.
fn lut_of(experiment: &Experiment, device: &str) -> Result<Lut, Failure> {
    for path in experiment.regularizers.iter().filter_map(|r| r.lut.as_ref()) {
        let lut = nasprof_lut::read(path)?;
        if lut.context.header.device == device {
            return Ok(lut);
        }
    }
    let hint = "give a latency regularizer a `lut` of it, or leave `device` out";
    Err(Failure::usage(format!("key `device`: no LUT of `{device}` to measure the winner with")).hint(hint))
}

/// Where winners are measured: whole, in the context of the LUT.
struct DeviceContext<'a> {
    space: &'a str,
    lut: Option<&'a Lut>,
    allow_noisy: bool,
}

impl<'a> DeviceContext<'a> {
    fn new(experiment: &'a Experiment, lut: Option<&'a Lut>, args: &SearchArgs) -> Self {
        Self { space: &experiment.space, lut, allow_noisy: args.allow_noisy }
    }

    fn measure(&self, arch: &ArchFile) -> Result<Measured, Failure> {
        let lut = self.lut.ok_or_else(|| Failure::internal("no LUT to measure the winner with"))?;
        let of = resolve::space(self.space)?;
        let arch = arch.resolve(&of.name, &of.choices)?;
        let validation = validate::measure_network(lut, self.space, &arch, self.allow_noisy)?;
        let row = validation.rows.first().ok_or_else(|| Failure::internal("the winner was not measured"))?;
        if let Some(words) = validation.level.and_then(|level| unlike_the_lut(level, lut)) {
            words.lines().for_each(status);
        }
        Ok(Measured {
            latency_ms: row.measured_ms,
            ci_ms: row.ci,
            processes_ms: row.processes_ms.clone(),
            level: validation.level,
            device: lut.context.header.device.clone(),
            allow_noisy: self.allow_noisy,
        })
    }
}

/// What to think of a device that runs at another level than the sessions of its LUT give reason to expect.
fn unlike_the_lut(level: f64, lut: &Lut) -> Option<String> {
    let expected = lut.context.calibration.as_ref()?.level_half_width;
    (level.ln().abs() > expected).then(|| {
        format!(
            "warning: the device runs at {level:.3} of the LUT's level, which its sessions put within {} (95 %): it is not as it \
             was, and the winner's latency may not hold\n\
             hint: see that nothing else runs there and its clocks are as they were, or measure the LUT anew",
            percent(expected)
        )
    })
}

/// Winners of searches that train nothing.
struct SampledEvaluator<'a> {
    context: DeviceContext<'a>,
    experiment: &'a Experiment,
    folder: PathBuf,
}

impl DeviceEvaluator for SampledEvaluator<'_> {
    type Found = SampledResult;
    type Error = Failure;

    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, Failure> {
        self.context.measure(arch)
    }

    fn select(&mut self, factor: f64) -> Result<SampledResult, Failure> {
        status(again(factor));
        Ok(evolution::run(self.experiment.clone(), &self.folder, Existing::Resume, factor)?)
    }

    fn keep(&mut self, found: &SampledResult) -> Result<(), Failure> {
        Ok(found.write(&self.folder)?)
    }
}

/// Winners of searches that train.
struct TrainedEvaluator<'a> {
    context: DeviceContext<'a>,
    job: &'a Job,
}

impl DeviceEvaluator for TrainedEvaluator<'_> {
    type Found = RunResult;
    type Error = Failure;

    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, Failure> {
        self.context.measure(arch)
    }

    fn select(&mut self, factor: f64) -> Result<RunResult, Failure> {
        status(again(factor));
        start(&Job { task: Task::Select { factor }, ..self.job.clone() })?;
        read(&self.job.folder)
    }

    fn keep(&mut self, found: &RunResult) -> Result<(), Failure> {
        let folder = &self.job.folder;
        found.write(folder).map_err(|e| Failure::internal(format!("{}/result.json: {e}", folder.display())))
    }
}

fn again(factor: f64) -> String {
    format!("the device does not agree with the budget: selecting again with latencies {factor:.4} times the LUT's")
}

/// Runs a job in `nasprof-search`, and shows its events.
fn start(job: &Job) -> Result<(), Failure> {
    let program = resolve::search_program();
    let name = program.display();
    let cannot = |e: std::io::Error| {
        let hint = "it is installed beside nasprof; build it with `make build`";
        Failure::usage(format!("cannot run {name}: {e}")).hint(hint)
    };
    // Before there is anything to interrupt. From a terminal the trainer is interrupted as well.
    let interrupted = interruption(Kept::Epochs)?;
    let mut child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(cannot)?;
    let text = serde_json::to_vec(job).map_err(Failure::internal)?;
    // A child that does not read its job ends, and its last event says more than the broken pipe.
    let _ = child.stdin.take().map(|mut input| input.write_all(&text));
    let output = child.stdout.take().ok_or_else(|| Failure::internal(format!("{name} has no output")))?;
    let mut view = SearchView::new();
    let mut failure = None;
    let pid = child.id();
    let told = while_interruptible(&interrupted, pid, || {
        for line in BufReader::new(output).lines() {
            match serde_json::from_str(&line.map_err(Failure::internal)?) {
                Ok(RunEvent::Line(line)) => view.status(&line),
                Ok(RunEvent::Step(step)) => view.step(&step),
                Ok(RunEvent::Failed { message, hint }) => failure = Some((message, hint)),
                Err(_) => {
                    let problem = format!("{name} does not speak as this program expects");
                    return Err(Failure::usage(problem).hint("build both of the same version with `make build`"));
                }
            }
        }
        Ok(())
    });
    view.finish();
    if told.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    // A line that was cut by the end that the user asked for is no fault of the program.
    if !interrupted.load(Ordering::Relaxed) {
        told?;
    }
    let status = child.wait().map_err(Failure::internal)?;
    match (status.code(), failure) {
        (Some(0), None) => Ok(()),
        _ if interrupted.load(Ordering::Relaxed) => Err(Failure::interrupted(Kept::Epochs)),
        (code, Some((message, hint))) => {
            let exit = if code == Some(Exit::Usage as i32) { Exit::Usage } else { Exit::Internal };
            let failure = Failure::new(exit, message);
            Err(match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            })
        }
        (Some(_), None) => Err(Failure::internal(format!("{name}: {status}"))),
        (None, None) => Err(Failure { exit: Exit::DeviceLost, ..Failure::usage(format!("{name}: {status}")) }
            .hint("the same command with --resume goes on from the last epoch")),
    }
}

fn read(folder: &Path) -> Result<RunResult, Failure> {
    RunResult::read(folder).map_err(|e| Failure::internal(format!("{}/result.json: {e}", folder.display())))
}

fn show(folder: &Path, result: &RunResult) -> Result<(), Failure> {
    print(format!("run           {}", folder.display()))?;
    print(format!("accuracy      {} of {}", percent(result.accuracy), result.accuracy_of))?;
    print(format!("parameters    {}", result.params))?;
    print(format!("MACs          {}", result.macs))?;
    for quantity in &result.quantities {
        let name = &quantity.quantity;
        let limit = quantity.limit.map(|limit| format!(" ({}: {})", quantity.kind, amount(name, limit)));
        print(format!("{name:<13} {}{}", amount(name, quantity.estimated), limit.unwrap_or_default()))?;
    }
    show_measured(&result.latency)
}

/// An amount as people read it; `result.json` has all digits.
fn amount(quantity: &str, value: f64) -> String {
    if quantity == Quantity::Latency.name() {
        ms(value)
    } else if quantity == Quantity::Memory.name() {
        bytes(value)
    } else {
        value.to_string()
    }
}

fn show_measured(latency: &Latency) -> Result<(), Failure> {
    let Some(measured) = &latency.measured else { return Ok(()) };
    let target = latency
        .target_ms
        .map_or_else(String::new, |t| format!(", {:+.2} % of the target", (measured.latency_ms / t - 1.0) * 100.0));
    print(format!("measured      {} on {}{target}", ms(measured.latency_ms), measured.device))?;
    if let Some(level) = measured.level {
        print(format!("level then    {level:.4} of the LUT, from its anchors"))?;
    }
    for earlier in latency.selections.iter().filter(|s| s.measured != *measured) {
        print(format!("also measured {}, estimated {}", ms(earlier.measured.latency_ms), ms(earlier.estimated_ms)))?;
    }
    Ok(())
}
