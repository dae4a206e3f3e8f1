//! `nasprof measure`: one device, or several at the same time.

mod command;
mod model;
mod sharded;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use nasprof_base::text::rough;
use nasprof_devices::{DeviceFile, Link, expand, retry};
use nasprof_graph::Identity;
use nasprof_lut::{Flag, Lut, Row, check_ending, from_journal, write};
use nasprof_profiler::backend::is_onnx_runtime;
use nasprof_profiler::engine::{Gate, Interrupted, Measurement, Precision, ROW_WIDTH, Recorder, measure};
use nasprof_profiler::journal::{EnergyResult, Event, Header, Mode, Shard};
use nasprof_search::job::Existing;
use nasprof_spaces::Space;
use serde_json::json;

use super::kept_journal::{self, KeptJournal};
use super::{path_text, print, print_json, print_remarks};
use crate::cli::{MeasureArgs, ModeArg};
use crate::display::{Display, Screen};
use crate::failure::{Exit, Failure};
use crate::interruption::{Kept, interruption};
use crate::outputs::{LUTS, Outputs, given};
use crate::resolve::{self, Target, at_batch, target};

/// How long the gate waits for a quiet machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(args: &MeasureArgs) -> Result<ExitCode, Failure> {
    let devices = expand(&args.device, resolve::user_devices().as_deref())?;
    if let Some(device) = devices.iter().find_map(|name| commanded(name, args).transpose()) {
        let file = device?;
        return match (&devices[..], &file.command) {
            ([device], Some(command)) => command::run(device, &file, command, args),
            _ => Err(Failure::usage(format!("`{}` runs a command, and is measured alone", file.name))
                .hint(format!("--device {}, without the others", file.name))),
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
    // One after the other: a key's passphrase may have to be asked for.
    let prepare = |name: &String| Job::prepare(name, args, output(name, args, several)?, None, several);
    let mut jobs = devices.iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
    report(args, measure_all(&mut jobs, args)?)
}

/// The device's file, if it has a command in an agent's place.
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

/// What was measured, and all failures as one.
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

/// Whether the LUT's networks are as certain as was asked for. Of layers timed alone, and of shards of a measurement, the
/// sessions say.
fn is_certain(lut: &Lut, converged: bool) -> bool {
    let wanted = lut.context.header.ci;
    lut.context.precision.map_or(converged, |precision| precision.networks.is_some_and(|width| width <= wanted))
}

/// One device's measurement.
struct Job {
    begun: Instant,
    device: String,
    file: DeviceFile,
    link: Link,
    target: Target,
    space: Space,
    identity: Identity,
    header: Header,
    output: PathBuf,
}

impl Job {
    /// Reaches the device; nothing is written yet.
    fn prepare(
        device: &str,
        args: &MeasureArgs,
        output: PathBuf,
        shard: Option<Shard>,
        several: bool,
    ) -> Result<Self, Failure> {
        let begun = Instant::now();
        // Not after minutes of measuring.
        check_ending(&output)?;
        let space_file = args.source.space.as_deref().map(Path::new);
        let outputs = Outputs::of(
            given([space_file, args.source.model.as_deref()]).into_iter().chain(resolve::device_files(device)),
        );
        outputs.check("-o", &output, &LUTS)?;
        outputs.check("the journal", &journal_path(&output), &[])?;
        refuse_existing(&journal_path(&output), args)?;
        let space = resolve::source(&args.source, &args.shapes)?;
        let file = resolve::device(device, &args.settings.set)?;
        let in_context = |failure: Failure| if several { failure.context(device) } else { failure };
        let mut link = resolve::open(&file).map_err(in_context)?.locking_clocks(args.lock_clocks);
        let target =
            target(&file, link.cores(), &args.context)?.at_own_batch(args.source.model.as_ref(), &args.context, &space);
        // An agent that cannot do it is told of before a journal is begun.
        let mut agent = link.agent(&target.backend).map_err(|error| in_context(error.into()))?;
        let runtime = resolve::runtime(&target, agent.as_mut()).map_err(in_context)?;
        drop(agent);
        if runtime.fuses() && matches!(args.mode, ModeArg::Isolated) {
            return Err(Failure::usage(format!(
                "--mode isolated: {} times layers inside networks only",
                target.backend
            ))
            .hint("leave --mode out"));
        }
        print_remarks(device, &mut link);
        let (space, identity) = at_batch(space, target.batch)?;
        let header = Header {
            mode: match args.mode {
                ModeArg::InContext => Mode::InContext,
                ModeArg::Isolated => Mode::Isolated,
            },
            ci: args.ci,
            sessions: args.sessions,
            max_rounds: args.max_rounds,
            seed: args.seed,
            allow_noisy: args.allow_noisy,
            clocks: args.lock_clocks.then(|| target.clocks.clone()),
            energy: args.energy,
            shard,
            ..target.header(device, &space, &identity, runtime)
        };
        Ok(Self { begun, device: device.to_owned(), file, link, target, space, identity, header, output })
    }

    fn run(&mut self, args: &MeasureArgs, display: Display, interrupted: Interrupted) -> Result<Outcome, Failure> {
        let journal = journal_path(&self.output);
        let (recorded, writer, kept) = KeptJournal::open(&journal, existing(args))?;
        if let Some(Event::Header(begun)) = recorded.first()
            && self.identity.is(&begun.space_digest)
        {
            // An older version may have begun it, and written the same space's digest in another form.
            self.header.space_digest.clone_from(&begun.space_digest);
            // The same space or model under another file name.
            self.header.space.clone_from(&begun.space);
        }
        let mut display = display;
        display.ends(args.budget.map(|budget| self.begun + budget));
        let display = RefCell::new(display);
        if recorded.contains(&Event::Complete) {
            display.borrow_mut().status(&format!("{}: complete; nothing is left to measure", journal.display()));
        } else if !recorded.is_empty() {
            let visits = visits(&recorded);
            display.borrow_mut().status(&format!("{}: {visits} visits are recorded; continuing", journal.display()));
        }
        let mut recorder = Recorder::new(recorded, Some(writer), interrupted);
        let measurement = Measurement {
            space: &self.space,
            header: self.header.clone(),
            gate: Gate {
                // A budget is not for waiting.
                patience: args.budget.map_or(PATIENCE, |budget| PATIENCE.min(budget / 10)),
                allow_noisy: args.allow_noisy,
            },
            deadline: args.budget.map(|budget| self.begun + budget),
        };
        let (link, backend) = (&mut self.link, &self.target.backend);
        let converged = retry(
            self.file.reconnect(),
            &mut recorder,
            &mut |problem, pause| display.borrow_mut().waiting(problem, pause),
            &mut |recorder| {
                measure(&measurement, recorder, &mut || Ok(link.agent(backend)?), &mut |stage| {
                    display.borrow_mut().stage(&stage);
                })
            },
        );
        let mut display = display.into_inner();
        let elapsed = display.finish();
        let converged = kept.end(&recorder, converged.map_err(Failure::from))?;
        let lut = from_journal(recorder.events())?;
        write(&lut, &self.output)?;
        for row in lut.rows.iter().filter(|row| row.times.is_none()) {
            display.status(&format!("{} failed: {}", row.key, row.error.as_deref().unwrap_or("unknown")));
        }
        if let Some(reason) = no_energy(recorder.events()) {
            display.status(&format!("some rows have no energy: {reason}"));
        }
        let visits = visits(recorder.events());
        let (device, output) = (self.device.clone(), self.output.clone());
        Ok(Outcome { device, output, journal, lut, visits, converged, elapsed })
    }
}

/// What a measurement gave.
struct Outcome {
    device: String,
    output: PathBuf,
    journal: PathBuf,
    lut: Lut,
    visits: usize,
    converged: bool,
    elapsed: Duration,
}

impl Outcome {
    fn print(&self, args: &MeasureArgs) -> Result<(), Failure> {
        let (rows, failed) = (&self.lut.rows, failed(&self.lut));
        if args.json {
            return print_json(&json!({
                "device": self.device,
                "lut": path_text(&self.output),
                "journal": path_text(&self.journal),
                "rows": rows.len(),
                "failed": failed,
                "converged": self.converged,
                "precision": self.lut.context.precision,
                "reconciliation": self.lut.context.reconciliation,
                "networks": self.lut.whole_networks().collect::<Vec<_>>(),
                "sessions": self.lut.context.sessions,
                "calibration": self.lut.context.calibration,
                "seconds": self.elapsed.as_secs_f64(),
                "seed": args.seed,
            }));
        }
        print(in_words(&self.output, &self.lut))
    }
}

/// What was measured, in a line.
fn in_words(path: &Path, lut: &Lut) -> String {
    let (path, rows, failed) = (path.display(), lut.rows.len(), failed(lut));
    let known = lut.context.precision.map_or_else(|| wide(lut), |precision| known(&precision));
    format!("{path}: {rows} layers, {failed} failed; {known}")
}

/// How well networks and layers are known, in words.
pub(super) fn known(precision: &Precision) -> String {
    let width = |width: Option<f64>| width.map_or_else(|| "unknown".to_owned(), |width| format!("± {}", rough(width)));
    let (networks, rows) = (width(precision.networks), width(precision.rows));
    format!("networks {networks}, layers {rows} in the median, {} of {} weak", precision.weak, precision.of)
}

/// The same where no networks were sampled.
fn wide(lut: &Lut) -> String {
    let wide = lut.rows.iter().filter(|row| row.flags.contains(&Flag::NotConverged)).count();
    format!("{wide} wider than {}", rough(ROW_WIDTH))
}

/// How many layers have no times.
fn failed(lut: &Lut) -> usize {
    lut.rows.iter().filter(|row: &&Row| row.times.is_none()).count()
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

/// The first reason why there is no energy.
fn no_energy(events: &[Event]) -> Option<&str> {
    events.iter().find_map(|event| match event {
        Event::Energy { result: EnergyResult::NotObservable(reason), .. } => Some(reason.as_str()),
        _ => None,
    })
}

/// The journal of a LUT stands beside it.
pub(super) fn journal_path(lut: &Path) -> PathBuf {
    lut.with_extension("journal.jsonl")
}

/// A journal that is there is gone on with, or measured anew, only when asked to.
fn refuse_existing(journal: &Path, args: &MeasureArgs) -> Result<(), Failure> {
    if existing(args) != Existing::Refuse || !journal.exists() {
        return Ok(());
    }
    let hint = "--resume continues it, --overwrite starts again; -o names another file";
    Err(Failure::usage(format!("{} exists", journal.display())).hint(hint))
}

fn existing(args: &MeasureArgs) -> Existing {
    kept_journal::existing(args.resume, args.overwrite)
}

/// How many visits of workloads were recorded.
fn visits(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Visit { .. })).count()
}
