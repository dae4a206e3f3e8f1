//! `nasprof time`: measures given networks as a whole.

mod asked;
mod command;
mod table;
mod trace;

use std::process::ExitCode;

use nasprof_graph::LoweredNetwork;
use nasprof_lut::{
    Estimate, Estimator, Lut, LutError, SessionFacts, Timing, TimingProgress, layer_times, timing_sessions, timings,
};
use nasprof_profiler::engine::EngineError;
use nasprof_profiler::journal::Header;
use nasprof_profiler::model_device::ModelDevice;
use nasprof_profiler::protocol::{Device, DeviceError};
use nasprof_render::replace_file;
use serde::Serialize;

use self::asked::Asked;
use super::whole::Recorded;
use super::{kept_journal, path_text, print_json};
use crate::cli::TimeArgs;
use crate::failure::{Exit, Failure};
use crate::interruption::Kept;
use crate::resolve;

pub(super) fn run(args: &TimeArgs) -> Result<ExitCode, Failure> {
    asked::check_outputs(args)?;
    let existing = kept_journal::existing(args.resume, args.overwrite);
    let file = resolve::device(&args.device, &args.settings.set)?;
    if let Some(command) = &file.command {
        return command::run(args, &file, command);
    }
    // Problems with files are reported before a device is connected.
    let asked = Asked::read(args, &file)?;
    let uploads = asked.model.as_ref().map_or(Ok(Vec::new()), |model| model.uploads(&file))?;
    let mut link = resolve::open_with(&file, uploads)?.locking_clocks(args.lock_clocks);
    let (names, timed) = asked.timings(args, &file, &mut link)?;
    let request = asked.model.as_ref().map(|model| model.request(&link)).transpose()?;
    let recorded = Recorded {
        device: &args.device,
        file: &file,
        link: &mut link,
        backend: &timed.header.backend,
        journal: args.journal.as_deref().map(|path| (path, existing)),
        left: if args.journal.is_some() { Kept::Journal } else { Kept::Nothing },
    };
    let events = recorded.run(&mut |recorder, connect, display| {
        let mut connect = || -> Result<Box<dyn Device>, DeviceError> {
            let device = connect()?;
            Ok(match &request {
                Some(request) => Box::new(ModelDevice::new(device, request.clone())),
                None => device,
            })
        };
        let mut progress = |progress| show(&progress, &mut display.borrow_mut());
        timed.measure(recorder, &mut connect, &mut progress).map_err(|error| match error {
            // The plan names a network by its number; the user knows its file.
            EngineError::Plan(problem) => EngineError::Plan(named(&problem, &names)),
            error => error,
        })
    });
    let events = events.map_err(|failure| match (failure.exit, &args.journal) {
        (Exit::DeviceLost, None) => {
            failure.context(&args.device).hint_if_lost("add --journal FILE to be able to continue with --resume")
        }
        (Exit::DeviceLost, Some(_)) => failure.context(&args.device),
        _ => failure,
    })?;
    let times = timings(&events).map_err(|error| match &error {
        LutError::NoCleanRun { network } => {
            let name = names.get(*network as usize).cloned().unwrap_or_default();
            Failure::from(error).context(name)
        }
        _ => error.into(),
    })?;
    let sessions = timing_sessions(&events)?;
    if let Some(path) = &args.trace {
        let networks: Vec<&LoweredNetwork> = timed.networks.iter().map(|(_, network)| network).collect();
        let text = trace::text(&args.device, &names, &networks, &layer_times(&events)?);
        replace_file(path, text.as_bytes())?;
    }
    let estimator = asked.lut.as_ref().map(Estimator::new);
    let networks: Vec<Network> = names
        .into_iter()
        .zip(&timed.networks)
        .zip(times)
        .map(|((name, (_, network)), time)| Network {
            name,
            converged: time.half_width().is_some_and(|half| half <= args.ci),
            time,
            estimate: estimator.as_ref().map(|estimator| Estimate { nodes: Vec::new(), ..estimator.estimate(network) }),
            params: asked.model.is_none().then(|| network.cost().params),
            macs: asked.model.is_none().then(|| network.cost().macs),
        })
        .collect();
    // Models that the runtime reads have their own batch size.
    let batch = asked.model.is_none().then_some(timed.header.batch);
    if args.json {
        let output = Output::new(args, &timed.header, asked.lut.as_ref(), (&networks, &sessions));
        print_json(&Output { batch, ..output })?;
    } else {
        table::show(&timed, batch, (&networks, &sessions), args)?;
    }
    let converged = networks.iter().all(|network| network.converged);
    Ok(if converged { ExitCode::SUCCESS } else { ExitCode::from(Exit::NotConverged as u8) })
}

/// One network's times.
#[derive(Serialize)]
struct Network {
    name: String,
    #[serde(flatten)]
    time: Timing,
    /// Whether its interval is as narrow as `ci`.
    converged: bool,
    /// Absent for a model that the runtime reads by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    macs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate: Option<Estimate>,
}

/// All of it as JSON.
#[derive(Serialize)]
struct Output<'a> {
    device: &'a str,
    backend: &'a str,
    threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<usize>,
    /// The kind of latency that was asked for; absent: the device's only one, or `queue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<&'a str>,
    allocator: &'a str,
    clocks_locked: bool,
    processes: u32,
    seed: u64,
    ci: f64,
    /// Whether all intervals are as narrow as `ci`.
    converged: bool,
    /// How each process went.
    sessions: &'a [SessionFacts],
    #[serde(skip_serializing_if = "Option::is_none")]
    lut: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    networks: &'a [Network],
}

impl<'a> Output<'a> {
    fn new(
        args: &'a TimeArgs,
        header: &'a Header,
        lut: Option<&Lut>,
        (networks, sessions): (&'a [Network], &'a [SessionFacts]),
    ) -> Self {
        Self {
            device: &args.device,
            backend: &header.backend,
            threads: header.threads,
            batch: Some(header.batch),
            timing: header.timing.map(nasprof_profiler::protocol::Timing::name),
            allocator: header.allocator.name(),
            clocks_locked: header.clocks.is_some(),
            processes: args.processes,
            seed: args.seed,
            ci: args.ci,
            converged: networks.iter().all(|network| network.converged),
            sessions,
            lut: args.lut.as_deref().filter(|_| lut.is_some()).map(path_text),
            trace: args.trace.as_deref().map(path_text),
            networks,
        }
    }
}

/// Prefixes a problem of `network 3 (…)` with that network's file.
fn named(problem: &str, names: &[String]) -> String {
    let number = problem.strip_prefix("network ").and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
    match number.and_then(|number| names.get(number)) {
        Some(name) => format!("{name}: {problem}"),
        None => problem.to_owned(),
    }
}

fn show(progress: &TimingProgress, display: &mut crate::display::Display) {
    match progress {
        TimingProgress::FirstCall(done, all) => display.status(&format!("first call of network {}/{all}", done + 1)),
        TimingProgress::Session(_, 1, progress) => display.progress("time", progress),
        TimingProgress::Session(process, all, progress) => {
            display.progress(&format!("process {}/{all}", process + 1), progress);
        }
        TimingProgress::Layers(progress) => display.progress("trace", progress),
    }
}
