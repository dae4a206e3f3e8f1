//! `nasprof time` on a device that runs a command: times of whole models, as the command reports them.

use std::process::ExitCode;

use nasprof_base::statistics::{mean, mean_half_width, median, quantile, trimmed_mean};
use nasprof_base::text::ms;
use nasprof_devices::{CommandModel, CommandTable, DeviceFile};
use nasprof_graph::runtime::Runtime;
use nasprof_onnx::{Weights, write};
use serde::Serialize;

use super::super::archs;
use super::super::by_command::{ByCommand, refuse};
use super::super::estimate::half_width;
use super::super::table::fit_ends;
use super::super::{print, print_json};
use super::asked::MOST;
use super::table::{heading, name_width, processes};
use crate::cli::TimeArgs;
use crate::failure::{Exit, Failure};
use crate::resolve;

/// How long one model takes.
#[derive(Serialize)]
struct Timed {
    name: String,
    /// Trimmed mean of the runs in each process, in the mean over processes.
    mean_ms: f64,
    /// 95 % interval of the mean over processes; absent with one.
    interval_ms: Option<[f64; 2]>,
    /// Quantiles of all runs; absent if the command reports only an average.
    median_ms: Option<f64>,
    p90_ms: Option<f64>,
    p99_ms: Option<f64>,
    processes_ms: Vec<f64>,
    /// Whether the interval is as narrow as `ci`; absent with one process.
    converged: Option<bool>,
    /// Runs that the command reports; absent if it reports only an average.
    runs: Option<usize>,
}

#[derive(Serialize)]
struct Output<'a> {
    device: &'a str,
    backend: &'a str,
    facts: std::collections::BTreeMap<String, String>,
    threads: usize,
    processes: u32,
    seed: u64,
    ci: f64,
    networks: &'a [Timed],
}

pub(super) fn run(args: &TimeArgs, file: &DeviceFile, command: &CommandTable) -> Result<ExitCode, Failure> {
    let (device, context) = (&args.device, &args.context);
    refuse(
        device,
        context,
        &[
            ("--lut", args.lut.is_some()),
            ("--trace", args.trace.is_some()),
            ("--journal", args.journal.is_some()),
            ("--lock-clocks", args.lock_clocks),
            ("--input", args.input.is_some()),
            ("--input-shape", !args.shapes.input_shape.is_empty()),
        ],
    )?;
    if command.times().is_none() {
        return Err(Failure::usage(format!("`{device}` reports no latency: its [command] has no times_format"))
            .hint("add times_format to [command] of the device file; docs/commands.md lists the formats"));
    }
    // Problems with files are reported before a device is connected.
    let networks = exported(args)?;
    let mut by_command = ByCommand::open(file, command, context)?;
    let networks = match &args.model {
        Some(path) => {
            vec![(resolve::last_part(path), by_command.model(path)?.0)]
        }
        None => networks,
    };
    let mut timed = Vec::with_capacity(networks.len());
    for (name, model) in networks {
        let runs = by_command.run(&model, args.processes, &name)?;
        let times = runs.iter().map(|run| Ok(by_command.times(run)?.unwrap_or_default()));
        timed.push(Timed::of(name, &times.collect::<Result<Vec<_>, Failure>>()?, args.ci));
    }
    if args.json {
        let (threads, processes, seed) = (by_command.threads(), args.processes, args.seed);
        let facts = by_command.facts();
        let (backend, ci) = (&file.backend, args.ci);
        print_json(&Output { device, backend, facts, threads, processes, seed, ci, networks: &timed })?;
    } else {
        show(&timed, args)?;
    }
    let is_wide = timed.iter().any(|network| network.converged == Some(false));
    Ok(if is_wide { ExitCode::from(Exit::NotConverged as u8) } else { ExitCode::SUCCESS })
}

/// Architectures as models, with random weights: latency does not depend on them.
fn exported(args: &TimeArgs) -> Result<Vec<(String, CommandModel)>, Failure> {
    if args.model.is_some() {
        return Ok(Vec::new());
    }
    let files = archs::files(&args.arch)?;
    let named = files.first().map_or("", |(_, file)| file.space.as_str()).to_owned();
    let space = resolve::space_or(args.space.as_deref(), &named, "the architecture")?;
    let archs = archs::of_space(files, &space)?;
    if archs.len() > MOST {
        return Err(Failure::usage(format!("--arch: {} networks, but at most {MOST} can be timed", archs.len()))
            .hint("pass fewer networks"));
    }
    let model = |(name, arch): (String, nasprof_graph::Arch)| {
        let in_context = |failure: Failure| failure.context(&name);
        let network = Runtime::TorchEager.subnet(&space.graph, &arch).map_err(|e| in_context(e.into()))?;
        let weights = Weights::Random { seed: args.seed };
        let bytes = write(network.graph(), &resolve::file_name(&space.name), &weights, &[]);
        let bytes = bytes.map_err(|e| in_context(e.into()))?;
        let model = CommandModel { path: None, ending: "onnx".to_owned(), bytes };
        Ok((name.trim_start_matches("--arch ").to_owned(), model))
    };
    archs.into_iter().map(model).collect()
}

impl Timed {
    /// From the nanoseconds of each run in each process; every process has runs.
    fn of(name: String, processes: &[Vec<f64>], ci: f64) -> Self {
        let means: Vec<f64> = processes.iter().filter_map(|runs| Some(trimmed_mean(runs)? / 1e6)).collect();
        let center = mean(&means).unwrap_or(f64::NAN);
        let half = mean_half_width(&means);
        let all: Vec<f64> = processes.concat();
        let single = processes.iter().any(|runs| runs.len() > 1);
        let of_all = |value: Option<f64>| value.filter(|_| single).map(|ns| ns / 1e6);
        Self {
            name,
            mean_ms: center,
            interval_ms: half.map(|half| [(center - half).max(0.0), center + half]),
            median_ms: of_all(median(&all)),
            p90_ms: of_all(quantile(&all, 0.9)),
            p99_ms: of_all(quantile(&all, 0.99)),
            processes_ms: means,
            converged: half.map(|half| half <= ci * center),
            runs: single.then_some(all.len()),
        }
    }
}

fn show(timed: &[Timed], args: &TimeArgs) -> Result<(), Failure> {
    print(format!("{}, command, {}", args.device, processes(args.processes)))?;
    let width = name_width();
    heading(&format!("{:>8}", "runs"))?;
    for Timed { name, mean_ms, interval_ms, median_ms, p90_ms, p99_ms, runs, .. } in timed {
        let half = interval_ms.map(|[low, high]| half_width((high - low) / 2.0 / mean_ms)).unwrap_or_default();
        let [median, p90, p99] = [median_ms, p90_ms, p99_ms].map(|value| value.map_or_else(|| "-".to_owned(), ms));
        let runs = runs.map_or_else(|| "average".to_owned(), |runs| runs.to_string());
        print(format!(
            "{} {:>10} {half:>8} {median:>9} {p90:>9} {p99:>9} {runs:>8}",
            fit_ends(name, 4, width),
            ms(*mean_ms)
        ))?;
    }
    Ok(())
}
