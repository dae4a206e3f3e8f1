//! `nasprof search` and `nasprof train`: they run `nasprof-search`, which links libtorch.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use nasprof_graph::arch::ArchFile;
use nasprof_lut::Lut;
use nasprof_search::config::Experiment;
use nasprof_search::evolution;
use nasprof_search::job::{Earlier, Job, Measured, RunResult, Task};

use super::{print, print_json, validate};
use crate::cli::{RunArgs, SearchArgs};
use crate::failure::{Exit, Failure};
use crate::resolve;
use nasprof_reports::text::percent;

/// How far the winner's latency on the device may be from the target.
const TOLERANCE: f64 = 0.01;

pub(super) fn search(args: &SearchArgs) -> Result<ExitCode, Failure> {
    let run = &args.run;
    let experiment = Experiment::read(&run.experiment, &run.set)?;
    let name = run.experiment.display();
    match &experiment.searcher {
        None => Err(Failure::usage(format!("{name} has no table `searcher`")).hint("`nasprof train` runs trainings")),
        Some(searcher) if searcher.trains() => train_and_measure(args, experiment),
        Some(_) => draw(run, experiment),
    }
}

pub(super) fn train(args: &RunArgs) -> Result<ExitCode, Failure> {
    let experiment = Experiment::read(&args.experiment, &args.set)?;
    if experiment.trainer.is_none() {
        let name = args.experiment.display();
        return Err(Failure::usage(format!("{name} has no table `trainer`")).hint("`nasprof search` runs searches"));
    }
    let job = Job { task: Task::Run, experiment, folder: folder(args), resume: args.resume };
    if let Some(code) = start(&job)? {
        return Ok(code);
    }
    tell(args, &job.folder, &read(&job.folder)?)
}

/// A search without training needs no libtorch and takes seconds.
fn draw(args: &RunArgs, experiment: Experiment) -> Result<ExitCode, Failure> {
    let folder = folder(args);
    let found = evolution::run(experiment, &folder, args.resume)?;
    if args.json {
        print_json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(format!("run           {}", folder.display()))?;
    print(format!("{:<13} {} (the score; of {} architectures)", found.score, found.value, found.judged))?;
    for quantity in &found.quantities {
        let upper = quantity.upper.map_or_else(String::new, |upper| format!(" (at most {upper})"));
        print(format!("{:<13} {}{upper}", quantity.quantity, quantity.estimated))?;
    }
    print(format!("front         {} architectures in pareto.csv", found.front))?;
    Ok(ExitCode::SUCCESS)
}

fn folder(args: &RunArgs) -> PathBuf {
    let default = || PathBuf::from("runs").join(resolve::file_name(&args.experiment.to_string_lossy()));
    args.output.clone().unwrap_or_else(default)
}

fn train_and_measure(args: &SearchArgs, experiment: Experiment) -> Result<ExitCode, Failure> {
    // What could keep the winner from being measured is said before hours of training and not after.
    let lut = experiment.device.as_ref().map(|device| lut_of(&experiment, device)).transpose()?;
    if let Some(lut) = &lut {
        validate::expect_clocks(lut, args.lock_clocks)?;
        resolve::device(&lut.context.header.device, &[])?;
    }
    let folder = folder(&args.run);
    let job = Job { task: Task::Run, experiment, folder, resume: args.run.resume };
    if let Some(code) = start(&job)? {
        return Ok(code);
    }
    let mut result = read(&job.folder)?;
    if let (Some(lut), Some(arch)) = (&lut, result.arch.clone()) {
        let measure = |arch| measure(&job.experiment.space, lut, arch, args.allow_noisy);
        result.measured = Some(measure(&arch)?);
        write(&job.folder, &result)?;
        if let Some(factor) = missed(&result) {
            say("the winner's latency on the device is not the target's: selecting once more with what was measured");
            let again = Job { task: Task::Select { factor }, ..job.clone() };
            if let Some(code) = start(&again)? {
                return Ok(code);
            }
            let earlier = Earlier { arch: result.arch, estimated_ms: result.estimated_ms, measured: result.measured };
            result = read(&job.folder)?;
            result.earlier = Some(earlier);
            result.measured = result.arch.as_ref().map(measure).transpose()?;
            write(&job.folder, &result)?;
        }
    }
    if !result.feasible {
        say("warning: no architecture within the limits was found; the winner is the one that misses them least");
    }
    tell(&args.run, &job.folder, &result)
}

fn tell(args: &RunArgs, folder: &Path, result: &RunResult) -> Result<ExitCode, Failure> {
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

/// The winner on the device, whole, in the context of the LUT.
fn measure(space: &str, lut: &Lut, arch: &ArchFile, allow_noisy: bool) -> Result<Measured, Failure> {
    let of = resolve::space(space)?;
    let arch = arch.resolve(&of.name, &of.choices)?;
    let validation = validate::measure_network(lut, space, &arch, allow_noisy)?;
    let row = validation.rows.first().ok_or_else(|| Failure::internal("the winner was not measured"))?;
    Ok(Measured {
        latency_ms: row.measured_ms,
        ci_ms: row.ci,
        level: validation.level,
        device: lut.context.header.device.clone(),
        allow_noisy,
    })
}

/// Measured over estimated latency, if the measured one is out of bounds or not the target's.
fn missed(result: &RunResult) -> Option<f64> {
    let measured = result.measured.as_ref()?.latency_ms;
    result.misses(measured, TOLERANCE).then_some(measured / result.estimated_ms?)
}

/// Runs a job; its exit code if it failed, after it said why.
fn start(job: &Job) -> Result<Option<ExitCode>, Failure> {
    let program = resolve::search_program();
    let cannot = |e: std::io::Error| {
        let hint = "it is installed beside nasprof; build it with `make build`";
        Failure::usage(format!("cannot run {}: {e}", program.display())).hint(hint)
    };
    let mut child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(cannot)?;
    let text = serde_json::to_vec(job).map_err(Failure::internal)?;
    // A child that does not read its job ends, and its exit code says more than the broken pipe.
    let _ = child.stdin.take().map(|mut input| input.write_all(&text));
    let status = child.wait().map_err(Failure::internal)?;
    match status.code() {
        Some(0) => Ok(None),
        Some(code) => Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(Exit::Internal as u8)))),
        None => Err(Failure { exit: Exit::DeviceLost, ..Failure::usage(format!("{}: {status}", program.display())) }
            .hint("the same command with --resume goes on from the last epoch")),
    }
}

fn read(folder: &Path) -> Result<RunResult, Failure> {
    RunResult::read(folder).map_err(|e| Failure::internal(format!("{}/result.json: {e}", folder.display())))
}

fn write(folder: &Path, result: &RunResult) -> Result<(), Failure> {
    result.write(folder).map_err(|e| Failure::internal(format!("{}/result.json: {e}", folder.display())))
}

/// Nothing can be done about a closed error output.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn show(folder: &Path, result: &RunResult) -> Result<(), Failure> {
    print(format!("run           {}", folder.display()))?;
    print(format!("accuracy      {} of {}", percent(result.accuracy), result.accuracy_of))?;
    print(format!("parameters    {}", result.params))?;
    print(format!("MACs          {}", result.macs))?;
    for quantity in &result.quantities {
        let limit = quantity.limit.map_or_else(String::new, |limit| format!(" ({}: {limit})", quantity.kind));
        print(format!("{:<13} {}{limit}", quantity.quantity, quantity.estimated))?;
    }
    if let Some(measured) = &result.measured {
        let target = result
            .target_ms
            .map_or_else(String::new, |t| format!(", {:+.2} % of the target", (measured.latency_ms / t - 1.0) * 100.0));
        print(format!("measured      {} ms on {}{target}", measured.latency_ms, measured.device))?;
        if let Some(level) = measured.level {
            print(format!("level then    {level:.4} of the LUT, from its anchors"))?;
        }
    }
    Ok(())
}
