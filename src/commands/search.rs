//! `nasprof search` and `nasprof train`: they run `nasprof-search`, which links libtorch.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;

use nasprof_base::text::{bytes, ms, percent};
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_lut::Lut;
use nasprof_profiler::engine::Interrupted;
use nasprof_search::agreement::Agreement;
use nasprof_search::config::{Experiment, Plan, Quantity};
use nasprof_search::events::RunEvent;
use nasprof_search::evolution::{SampledResult, Sampling};
use nasprof_search::job::{Existing, FILES, Job, RunResult, Task, Trained};
use nasprof_search::pipeline::{self, SampledSearch, Trainer, Watch};
use nasprof_search::target::Grade;
use nasprof_search::winner::{DeviceEvaluator, Latency, Measured};

use super::{context, kept_journal, print, print_json, status, validate};
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
        Some(_) if experiment.trains() => match &args.judge {
            Some(table) => judge(args, experiment, table),
            None => train_and_measure(args, experiment),
        },
        Some(_) if args.judge.is_some() => Err(Failure::usage("--judge: this search has no supernet")
            .hint("name an experiment whose searcher is darts, proxylessnas or fairnas")),
        Some(_) => search_without_training(args, experiment),
    }
}

/// A search without training needs no libtorch and takes seconds.
fn search_without_training(args: &SearchArgs, experiment: Experiment) -> Result<ExitCode, Failure> {
    let lut = lut_to_measure_with(args, &experiment)?;
    let search = SampledSearch { folder: folder(&args.run, &experiment)?, experiment, existing: existing(&args.run) };
    Plan::new(search.experiment.clone())?.warnings.iter().for_each(status);
    let mut watching = Watching { view: SearchView::new(), interrupted: interruption(Kept::Nothing)? };
    let mut context = lut.as_ref().map(|lut| DeviceContext::new(&search.experiment, lut, args));
    let found = pipeline::sampled(&search, &mut watching, context.as_mut().map(|context| context as _))?;
    watching.view.finish();
    if args.run.json {
        print_json(&found)?;
    } else {
        print(format!("run           {}", search.folder.display()))?;
        print(format!("{:<13} {} (the score; of {} architectures)", found.score, found.value, found.evaluated))?;
        for quantity in &found.quantities {
            let name = &quantity.quantity;
            let upper = quantity.upper.map(|upper| format!(" (at most {})", amount(name, upper)));
            print(format!("{name:<13} {}{}", amount(name, quantity.estimated), upper.unwrap_or_default()))?;
        }
        show_on_table(&found)?;
        show_measured(&found.latency)?;
        print(format!("front         {} architectures in pareto.csv", found.front))?;
    }
    within_limit(&found.latency)
}

/// Of a search on a table: what it would have cost, and random search beside it.
fn show_on_table(found: &SampledResult) -> Result<(), Failure> {
    let Some(on) = &found.on_table else { return Ok(()) };
    print(format!(
        "test accuracy {} (best within the budget {})",
        percent(on.test_accuracy),
        percent(on.best_test_accuracy)
    ))?;
    print(format!("cost          {:.1} trainings of {} epochs, counted by the table", on.trainings, on.epochs))?;
    print(format!("random        {} at {:.1} trainings", percent(on.random.test_accuracy), on.random.trainings))
}

/// Shows how far a search without training is, until it is interrupted.
struct Watching {
    view: SearchView,
    interrupted: Interrupted,
}

impl Watch for Watching {
    fn sampling(&mut self, sampling: &Sampling) -> bool {
        self.view.sampling(sampling);
        !self.interrupted.load(Ordering::Relaxed)
    }

    fn selecting_again(&mut self, factor: f64) {
        self.view.finish();
        status(again(factor));
        self.view = SearchView::new();
    }
}

pub(super) fn existing(args: &RunArgs) -> Existing {
    kept_journal::existing(args.resume, args.overwrite)
}

/// The run folder, if its files are none of those that the run reads. That a run is gone on with by its own `config.toml` is
/// fine: it is not written then.
pub(super) fn folder(args: &RunArgs, experiment: &Experiment) -> Result<PathBuf, Failure> {
    let default = || PathBuf::from("runs").join(resolve::file_name(&args.experiment.to_string_lossy()));
    let folder = args.output.clone().unwrap_or_else(default);
    let luts = experiment.regularizers.iter().filter_map(|regularizer| regularizer.lut.clone());
    let data = experiment.data.iter().flat_map(|data| [&data.path, &data.train_list, &data.test_list]);
    let network = experiment.trainer.as_ref().and_then(|trainer| trainer.arch.as_deref()).map(PathBuf::from);
    let inputs = luts
        .chain(data.filter_map(Clone::clone))
        .chain(network)
        .chain([args.experiment.clone(), PathBuf::from(&experiment.space)]);
    let files: Vec<&str> = FILES.into_iter().filter(|name| !(args.resume && *name == "config.toml")).collect();
    Outputs::of(inputs).check_folder(&folder, &files)?;
    Ok(folder)
}

fn train_and_measure(args: &SearchArgs, experiment: Experiment) -> Result<ExitCode, Failure> {
    let lut = lut_to_measure_with(args, &experiment)?;
    let job =
        Job { task: Task::Run, folder: folder(&args.run, &experiment)?, experiment, existing: existing(&args.run) };
    let mut context = lut.as_ref().map(|lut| DeviceContext::new(&job.experiment, lut, args));
    let result = pipeline::trained(&job, &mut Program, context.as_mut().map(|context| context as _))?;
    if !result.feasible {
        status("warning: no architecture within the limits was found; the winner is the closest one");
    }
    print_result(&args.run, &job.folder, &result)?;
    within_limit(&result.latency)
}

/// How far the supernet of a finished search ranks the networks of a table as their own trainings do.
fn judge(args: &SearchArgs, experiment: Experiment, table: &Path) -> Result<ExitCode, Failure> {
    let (task, folder) = (Task::Judge { table: table.to_owned() }, folder(&args.run, &experiment)?);
    let job = Job { task, folder, experiment, existing: Existing::Resume };
    start(&job)?;
    let found = Agreement::read(&job.folder)?;
    if args.run.json {
        print_json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(format!("networks      {} of the table are within the limits", found.networks))?;
    print("              Kendall's tau with the test accuracies of their own trainings, 95 % interval")?;
    for (name, tau) in [("supernet", found.supernet), ("MACs", found.macs), ("parameters", found.params)] {
        let words = tau.map_or_else(
            || "none: fewer than two networks, or all alike".to_owned(),
            |tau| format!("{:+.2} ({:+.2} to {:+.2})", tau.tau, tau.interval[0], tau.interval[1]),
        );
        print(format!("{name:<13} {words}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `nasprof-search`, which links libtorch.
pub(super) struct Program;

impl Trainer for Program {
    type Error = Failure;

    fn run(&mut self, job: &Job) -> Result<(), Failure> {
        start(job)
    }

    fn selecting_again(&mut self, factor: f64) {
        status(again(factor));
    }
}

/// What could keep the winner from being measured is said before hours of training and not after.
fn lut_to_measure_with(args: &SearchArgs, experiment: &Experiment) -> Result<Option<Lut>, Failure> {
    let Some(device) = &experiment.device else { return Ok(None) };
    let lut = lut_of(experiment, device)?;
    context::check_clocks(&lut, args.lock_clocks)?;
    resolve::device(&lut.context.header.device, &[])?;
    Ok(Some(lut))
}

/// A winner that the device found to exceed a hard limit is none.
fn within_limit(latency: &Latency) -> Result<ExitCode, Failure> {
    match (latency.within_limit, latency.limit_ms, &latency.measured) {
        (Some(false), Some(limit), Some(measured)) => {
            let tried = latency.selections.len();
            let problem = format!(
                "none of {tried} selected networks takes at most {} on {}; the closest takes {}",
                ms(limit),
                measured.device,
                ms(measured.latency_ms)
            );
            Err(Failure::usage(problem)
                .hint("raise the limit, or measure the LUT again; result.json lists all measured networks"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

pub(super) fn print_result(args: &RunArgs, folder: &Path, result: &RunResult) -> Result<ExitCode, Failure> {
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
    let hint = "set `lut` of a latency regularizer to a LUT of this device, or remove `device`";
    Err(Failure::usage(format!("key `device`: no LUT of `{device}` to measure the winner with")).hint(hint))
}

/// Where winners are measured: whole, in the context of the LUT.
struct DeviceContext<'a> {
    space: &'a str,
    lut: &'a Lut,
    allow_noisy: bool,
}

impl<'a> DeviceContext<'a> {
    fn new(experiment: &'a Experiment, lut: &'a Lut, args: &SearchArgs) -> Self {
        Self { space: &experiment.space, lut, allow_noisy: args.allow_noisy }
    }
}

impl DeviceEvaluator for DeviceContext<'_> {
    type Error = Failure;

    fn measure(&mut self, arch: &ArchFile) -> Result<Measured, Failure> {
        let measured = self.measure_side_by_side(std::slice::from_ref(arch))?;
        measured.into_iter().next().ok_or_else(|| Failure::internal("the winner was not measured"))
    }

    fn measure_side_by_side(&mut self, archs: &[ArchFile]) -> Result<Vec<Measured>, Failure> {
        let lut = self.lut;
        let of = resolve::space(self.space)?;
        let networks = archs.iter().map(|arch| Ok(arch.resolve(&of.name, &of.choices)?));
        let networks = networks.collect::<Result<Vec<Arch>, Failure>>()?;
        let validation = validate::measure_networks(lut, self.space, &networks, self.allow_noisy)?;
        if let Some(words) = validation.level.and_then(|level| unlike_the_lut(level, lut)) {
            words.lines().for_each(status);
        }
        let of_row = |arch: &ArchFile| {
            let row = validation.rows.iter().find(|row| row.arch == *arch);
            let row = row.ok_or_else(|| Failure::internal("a winner was not measured"))?;
            Ok(Measured {
                latency_ms: row.measured_ms,
                ci_ms: row.ci,
                processes_ms: row.processes_ms.clone(),
                level: validation.level,
                device: lut.context.header.device.clone(),
                allow_noisy: self.allow_noisy,
            })
        };
        archs.iter().map(of_row).collect()
    }
}

/// What to think of a device that runs at another level than the sessions of its LUT give reason to expect.
fn unlike_the_lut(level: f64, lut: &Lut) -> Option<String> {
    let expected = lut.context.calibration.as_ref()?.level_half_width;
    (level.ln().abs() > expected).then(|| {
        format!(
            "warning: the device's level is {level:.3} of the LUT's, outside the expected {} (95 %); the winner's \
             latency may be wrong\nhint: stop other programs, restore the clocks, or measure the LUT again",
            percent(expected)
        )
    })
}

fn again(factor: f64) -> String {
    format!("the measured latency misses the budget: selecting again with latencies {factor:.4} times the LUT's")
}

/// What an interrupted job leaves.
fn kept(task: &Task) -> Kept {
    match task {
        Task::Run | Task::Select { .. } | Task::Judge { .. } => Kept::Epochs,
        Task::TrainMany { .. } | Task::TrainOne { .. } => Kept::Networks,
    }
}

/// Runs a job in `nasprof-search`, and shows its events.
pub(super) fn start(job: &Job) -> Result<(), Failure> {
    let program = resolve::search_program();
    let name = program.display();
    let cannot = |e: std::io::Error| {
        let hint = "build it with `make build`, and install it next to nasprof";
        Failure::usage(format!("cannot run {name}: {e}")).hint(hint)
    };
    // Before there is anything to interrupt. From a terminal the trainer is interrupted as well.
    let kept = kept(&job.task);
    let interrupted = interruption(kept)?;
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
                Ok(RunEvent::Judging(judging)) => view.judging(&judging),
                // Only processes that work for a search have such.
                Ok(RunEvent::Record(_)) => {}
                Ok(RunEvent::Failed { message, hint }) => failure = Some((message, hint)),
                Err(_) => {
                    let problem = format!("{name} sent an unexpected message");
                    return Err(Failure::usage(problem).hint("build both with `make build`"));
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
        _ if interrupted.load(Ordering::Relaxed) => Err(Failure::interrupted(kept)),
        (code, Some((message, hint))) => {
            let exit = match code {
                Some(code) if code == Exit::Usage as i32 => Exit::Usage,
                Some(code) if code != Exit::DeviceLost as i32 => Exit::Internal,
                // The program may not come to an exit code on a GPU that is gone.
                _ => Exit::DeviceLost,
            };
            let failure = Failure::new(exit, message);
            Err(match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            })
        }
        (Some(_), None) => Err(Failure::internal(format!("{name}: {status}"))),
        (None, None) => Err(Failure { exit: Exit::DeviceLost, ..Failure::usage(format!("{name}: {status}")) }
            .hint("the same command with --resume continues from the last epoch")),
    }
}

fn show(folder: &Path, result: &RunResult) -> Result<(), Failure> {
    print(format!("run           {}", folder.display()))?;
    if let Some(epochs) = &result.epochs {
        print(format!("epochs        {}", epochs.in_words()))?;
    }
    if let Some(place) = &result.computed_on {
        print(format!("computed on   {place}"))?;
    }
    print(format!("accuracy      {} of {}", percent(result.accuracy), result.accuracy_of))?;
    if let Some(Trained { epoch, valid_images, valid_accuracy, .. }) = &result.training {
        let chosen = match valid_accuracy {
            Some(accuracy) => {
                format!("epoch {epoch}, the best on {valid_images} validation images: {}", percent(*accuracy))
            }
            None => format!("epoch {epoch}, the last one, because there are no validation images"),
        };
        print(format!("chosen        {chosen}"))?;
    }
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
    let against = latency.comparison().map_or_else(String::new, |comparison| {
        let sign = match comparison.grade {
            Grade::Good => "✓",
            Grade::Doubtful => "!",
            Grade::Bad => "✗",
        };
        format!(", {sign} {comparison}")
    });
    print(format!("measured      {} on {}{against}", ms(measured.latency_ms), measured.device))?;
    if let Some(level) = measured.level {
        print(format!("level then    {level:.4} of the LUT, from its anchors"))?;
    }
    for other in latency.side_by_side.iter().filter(|s| s.measured != *measured) {
        print(format!("side by side  {}, estimated {}", ms(other.measured.latency_ms), ms(other.estimated_ms)))?;
    }
    for earlier in latency.selections.iter().filter(|s| s.measured != *measured) {
        print(format!(
            "measured by itself {}, estimated {}",
            ms(earlier.measured.latency_ms),
            ms(earlier.estimated_ms)
        ))?;
    }
    Ok(())
}
