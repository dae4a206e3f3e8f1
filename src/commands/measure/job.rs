//! One device's measurement.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nasprof_devices::{DeviceFile, Link, retry};
use nasprof_graph::Identity;
use nasprof_lut::{check_ending, from_journal, write};
use nasprof_profiler::engine::{EngineError, Gate, Interrupted, Measurement, Recorder, measure};
use nasprof_profiler::journal::{EnergyResult, Event, Header, Mode, Shard};
use nasprof_search::job::Existing;
use nasprof_spaces::Space;

use super::super::kept_journal::{self, KeptJournal};
use super::super::print_remarks;
use super::outcome::Outcome;
use crate::cli::{MeasureArgs, ModeArg};
use crate::display::Display;
use crate::failure::Failure;
use crate::outputs::{LUTS, Outputs, given};
use crate::resolve::{self, Target, at_batch, target};

/// How long the gate waits for a quiet machine.
pub(in super::super) const PATIENCE: Duration = Duration::from_secs(60);

/// One device's measurement.
pub(super) struct Job {
    pub(super) begun: Instant,
    pub(super) device: String,
    pub(super) file: DeviceFile,
    pub(super) link: Link,
    pub(super) target: Target,
    pub(super) space: Space,
    pub(super) identity: Identity,
    pub(super) header: Header,
    pub(super) output: PathBuf,
}

impl Job {
    /// Connects to the device; writes nothing yet.
    pub(super) fn prepare(
        device: &str,
        args: &MeasureArgs,
        output: PathBuf,
        shard: Option<Shard>,
        several: bool,
    ) -> Result<Self, Failure> {
        let begun = Instant::now();
        // Checked now, not after minutes of measuring.
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
        // An unsuitable agent is reported before a journal is begun.
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

    pub(super) fn run(
        &mut self,
        args: &MeasureArgs,
        display: Display,
        interrupted: Interrupted,
    ) -> Result<Outcome, Failure> {
        let journal = journal_path(&self.output);
        let (recorded, writer, kept) = KeptJournal::open(&journal, existing(args))?;
        if let Some(Event::Header(begun)) = recorded.first()
            && self.identity.is(&begun.space_digest)
        {
            // An older version may have begun the journal and written the space's digest in another form.
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
                // Waiting may use only a tenth of a budget.
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
        let converged = converged.map_err(|error| match (error, args.budget) {
            (EngineError::Budget { needed, .. }, Some(budget)) => too_short(budget, self.begun.elapsed(), needed),
            (error, _) => Failure::from(error),
        });
        let converged = kept.end(&recorder, converged)?;
        let lut = from_journal(recorder.events())?;
        write(&lut, &self.output)?;
        for network in lut.context.sessions.iter().flat_map(|session| &session.refused) {
            display.status(&format!("measured without {network}"));
        }
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

/// A budget that is too short: `needed` seconds more would be needed after this time.
fn too_short(budget: Duration, spent: Duration, needed: f64) -> Failure {
    let all = (spent.as_secs_f64() + needed).ceil();
    Failure::usage(format!("--budget {}s is too short: about {all}s are needed", budget.as_secs_f64()))
        .hint(format!("--budget {all}s is about enough, and --sessions 1 needs about half of it"))
}

/// The first reason why energy is missing.
fn no_energy(events: &[Event]) -> Option<&str> {
    events.iter().find_map(|event| match event {
        Event::Energy { result: EnergyResult::NotObservable(reason), .. } => Some(reason.as_str()),
        _ => None,
    })
}

/// The path of a LUT's journal, next to the LUT.
fn journal_path(lut: &Path) -> PathBuf {
    lut.with_extension("journal.jsonl")
}

/// Refuses an existing journal without --resume or --overwrite.
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
