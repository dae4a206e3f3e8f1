//! `nasprof search` and `nasprof train`: they run `nasprof-search`, which links libtorch.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use nasprof_search::config::Experiment;
use nasprof_search::evolution;
use nasprof_search::job::{Job, RunResult, Task};

use super::{print, print_json};
use crate::cli::RunArgs;
use crate::failure::{Exit, Failure};
use crate::resolve;
use nasprof_reports::text::percent;

pub(super) fn search(args: &RunArgs) -> Result<ExitCode, Failure> {
    let experiment = Experiment::read(&args.experiment, &args.set)?;
    if experiment.searcher.is_none() {
        let name = args.experiment.display();
        return Err(Failure::usage(format!("{name} has no table `searcher`")).hint("`nasprof train` runs trainings"));
    }
    if experiment.searcher.as_ref().is_some_and(|s| !s.trains()) {
        return draw(args, experiment);
    }
    run(args, experiment)
}

pub(super) fn train(args: &RunArgs) -> Result<ExitCode, Failure> {
    let experiment = Experiment::read(&args.experiment, &args.set)?;
    if experiment.trainer.is_none() {
        let name = args.experiment.display();
        return Err(Failure::usage(format!("{name} has no table `trainer`")).hint("`nasprof search` runs searches"));
    }
    run(args, experiment)
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

fn run(args: &RunArgs, experiment: Experiment) -> Result<ExitCode, Failure> {
    let folder = folder(args);
    let job = Job { task: Task::Run, experiment, folder: folder.clone(), resume: args.resume };
    if let Some(code) = start(&job)? {
        return Ok(code);
    }
    let result = read(&folder)?;
    if args.json {
        print_json(&result)?
    } else {
        show(&folder, &result)?
    }
    Ok(ExitCode::SUCCESS)
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
    let path = folder.join("result.json");
    let text = fs::read_to_string(&path).map_err(|e| Failure::internal(format!("{}: {e}", path.display())))?;
    serde_json::from_str(&text).map_err(|e| Failure::internal(format!("{}: {e}", path.display())))
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
        print(format!("measured      {} ms on {}", measured.latency_ms, measured.device))?;
    }
    Ok(())
}
