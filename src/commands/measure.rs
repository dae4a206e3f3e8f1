//! `nasprof measure`: one device, or several at the same time.

mod command;
mod job;
mod model;
mod outcome;
mod sharded;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use nasprof_devices::{DeviceFile, expand};
use nasprof_profiler::backend::is_onnx_runtime;

use self::job::Job;
pub(super) use self::job::PATIENCE;
pub(super) use self::outcome::{ONE_SESSION, measured};
use self::outcome::{Outcome, is_certain};
use crate::cli::MeasureArgs;
use crate::display::Screen;
use crate::failure::{Exit, Failure};
use crate::interruption::{Kept, interruption};
use crate::resolve;

pub(super) fn run(args: &MeasureArgs) -> Result<ExitCode, Failure> {
    let devices = expand(&args.device, resolve::user_devices().as_deref())?;
    if let Some(device) = devices.iter().find_map(|name| commanded(name, args).transpose()) {
        let file = device?;
        return match (&devices[..], &file.command) {
            ([device], Some(command)) => command::run(device, &file, command, args),
            _ => Err(Failure::usage(format!("`{}` runs its own command and must be measured alone", file.name))
                .hint(format!("pass only --device {}", file.name))),
        };
    }
    if args.shard {
        return sharded::run(devices, args);
    }
    if let (Some(model), [device]) = (&args.source.model, &devices[..])
        && is_onnx_runtime(&resolve::backend(device, args)?)
    {
        return model::run(device, model, args);
    }
    if args.input.is_some() {
        return Err(Failure::usage("--input is for one model on one device with ONNX Runtime")
            .hint("add --model FILE.onnx and --backend onnxruntime"));
    }
    let several = devices.len() > 1;
    // One after the other: a key may need its passphrase typed in.
    let prepare = |name: &String| Job::prepare(name, args, output(name, args, several)?, None, several);
    let mut jobs = devices.iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
    report(args, measure_all(&mut jobs, args)?)
}

/// The device's file, if it has a command instead of an agent.
fn commanded(name: &str, args: &MeasureArgs) -> Result<Option<DeviceFile>, Failure> {
    Ok(Some(resolve::device(name, &args.settings.set)?).filter(|file| file.command.is_some()))
}

/// Measures all devices at the same time.
fn measure_all(jobs: &mut [Job], args: &MeasureArgs) -> Result<Vec<Result<Outcome, Failure>>, Failure> {
    let several = jobs.len() > 1;
    let interrupted = interruption(Kept::Journal)?;
    let screen = Screen::new();
    Ok(thread::scope(|scope| {
        let (screen, interrupted) = (&screen, &interrupted);
        let started: Vec<_> = jobs
            .iter_mut()
            .map(|job| {
                scope.spawn(move || {
                    let name = several.then(|| job.device.clone());
                    job.run(args, screen.display(name.as_deref()), interrupted.clone()).map_err(|failure| match name {
                        Some(name) => failure.context(name),
                        None => failure,
                    })
                })
            })
            .collect();
        started
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Failure::internal("a measurement panicked"))))
            .collect()
    }))
}

/// Prints what was measured, then fails if a device did.
fn report(args: &MeasureArgs, results: Vec<Result<Outcome, Failure>>) -> Result<ExitCode, Failure> {
    let (outcomes, failure) = split(results);
    outcomes.iter().try_for_each(|outcome| outcome.print(args))?;
    failure.map_or_else(|| Ok(exit_code(&outcomes)), Err)
}

/// The successful measurements, and all failures as one.
fn split(results: Vec<Result<Outcome, Failure>>) -> (Vec<Outcome>, Option<Failure>) {
    let mut outcomes = Vec::new();
    let mut failures = Vec::new();
    for result in results {
        match result {
            Ok(outcome) => outcomes.push(outcome),
            Err(failure) => failures.push(failure),
        }
    }
    (outcomes, failures.into_iter().reduce(Failure::and))
}

fn exit_code(outcomes: &[Outcome]) -> ExitCode {
    let certain = outcomes.iter().all(|outcome| is_certain(&outcome.lut, outcome.converged));
    if certain { ExitCode::SUCCESS } else { ExitCode::from(Exit::NotConverged as u8) }
}

/// Where a device's LUT goes.
fn output(device: &str, args: &MeasureArgs, several: bool) -> Result<PathBuf, Failure> {
    let name = || format!("{}-{}.parquet", resolve::source_name(&args.source), resolve::plain(device));
    match &args.output {
        None => Ok(PathBuf::from(name())),
        Some(path) if !several => Ok(path.clone()),
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|e| {
                Failure::usage(format!("-o {}: {e}", folder.display()))
                    .hint("for several devices, -o is the folder of their LUTs")
            })?;
            Ok(folder.join(name()))
        }
    }
}
