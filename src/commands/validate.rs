//! `nasprof validate`: new networks and the LUT's anchors, measured whole in separate processes.

mod table;

use std::path::Path;
use std::process::ExitCode;

use nasprof_devices::{DeviceFile, Link, retry};
use nasprof_graph::Arch;
use nasprof_lut::{
    Estimator, Lut, Processes, Validation, WholeSession, holdout_networks, level_now, measure_whole, read, validate,
};
use nasprof_profiler::engine::{Gate, Recorder};
use nasprof_profiler::journal::{Event, Mode};
use nasprof_search::job::Existing;
use nasprof_spaces::Space;

use self::table::show;
use super::estimate::check_context;
use super::kept_journal::{self, KeptJournal};
use super::measure::PATIENCE;
use super::{print, print_json, print_remarks, validate_memory};
use crate::cli::{ContextArgs, ValidateArgs};
use crate::display::Screen;
use crate::failure::{Exit, Failure};
use crate::interruption::{Kept, interruption};
use crate::outputs::{Outputs, given};
use crate::resolve::{self, at_batch};

/// Seed of the order in which a search's winner is measured among the anchors.
const WINNER_SEED: u64 = 1;
/// Processes that measure a search's winner. The level of one is off by several percent where clocks are not fixed, and a
/// target is wanted within 1 %.
const WINNER_PROCESSES: u32 = 5;
/// Rounds in each of them: what differs between processes is then many times what rounds tell.
const WINNER_ROUNDS: u32 = 8;
/// Rounds of the anchors where nothing else is measured.
const LEVEL_ROUNDS: u32 = 27;

pub(super) fn run(args: &ValidateArgs) -> Result<ExitCode, Failure> {
    let lut = read(&args.lut)?;
    let isolated = args.isolated.as_deref().map(read).transpose()?;
    let (space, identity) = at_batch(
        resolve::space_or(args.space.as_deref(), &lut.context.header.space, "the LUT")?,
        lut.context.header.batch,
    )?;
    check_context(&lut, &args.context, &space.name, &identity)?;
    lut.check_context(&[("device", Some(args.device.clone()))])?;
    if !args.memory {
        check_clocks(&lut, args.lock_clocks)?;
    }
    if let Some(isolated) = &isolated {
        check_isolated(isolated, &lut).map_err(|failure| failure.context("--isolated"))?;
    }
    if let Some(path) = &args.journal {
        let space_file = args.space.as_deref().map(Path::new);
        let inputs = given([Some(args.lut.as_path()), args.isolated.as_deref(), space_file]);
        Outputs::of(inputs).check("--journal", path, &[])?;
    }
    let existing = kept_journal::existing(false, args.overwrite);
    let journal = args.journal.as_deref().map(|path| (path, existing));
    if let Some(path) = args.journal.as_ref().filter(|path| existing == Existing::Refuse && path.exists()) {
        return Err(Failure::usage(format!("--journal {}: it exists", path.display()))
            .hint("--overwrite replaces it; or name another file"));
    }
    let networks = holdout_networks(&space, &lut, args.count as usize, args.seed)?;
    let file = resolve::device(&args.device, &args.settings.set)?;
    let mut link = resolve::open(&file)?.locking_clocks(args.lock_clocks);
    if args.memory {
        validate_memory::run(&space, &lut, &networks, &mut link, args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let processes = if args.alone { Processes::OneEach } else { Processes::All(args.processes) };
    let session = WholeSession { processes, ..session(args.seed, args.max_rounds, args.allow_noisy) };
    let events = measured((&lut, &space), &networks, session, (&file, &mut link), journal, Kept::Nothing)?;
    let isolated = isolated.as_ref().map(Estimator::new);
    let validation = validate(&events, &space, &Estimator::new(&lut), isolated.as_ref(), args.seed)?;
    if args.json {
        print_json(&validation)?
    } else {
        show(&validation)?
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses what is no LUT of isolated layers, or was measured in another context than the LUT beside it.
fn check_isolated(isolated: &Lut, lut: &Lut) -> Result<(), Failure> {
    if isolated.context.header.mode != Mode::Isolated {
        return Err(Failure::usage("its layers were timed inside networks, not isolated")
            .hint("`nasprof measure --mode isolated` makes such a LUT"));
    }
    let header = &lut.context.header;
    Ok(isolated.check_context(&[
        ("device", Some(header.device.clone())),
        ("batch", Some(header.batch.to_string())),
        ("threads", Some(header.threads.to_string())),
        ("allocator", Some(header.allocator.name().to_owned())),
    ])?)
}

/// Re-measures a LUT's anchors and prints the machine's level against it.
pub(super) fn level_check(
    device: &str,
    settings: &[String],
    lut: &Path,
    space: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    let lut = read(lut)?;
    let (space, identity) =
        at_batch(resolve::space_or(space, &lut.context.header.space, "the LUT")?, lut.context.header.batch)?;
    let context = ContextArgs { backend: None, threads: None, batch: None, allocator: None };
    check_context(&lut, &context, &space.name, &identity)?;
    lut.check_context(&[("device", Some(device.to_owned()))])?;
    let file = resolve::device(device, settings)?;
    let mut link = resolve::open(&file)?;
    let events =
        measured((&lut, &space), &[], session(1, LEVEL_ROUNDS, true), (&file, &mut link), None, Kept::Nothing)?;
    match level_now(&events, &Estimator::new(&lut))? {
        Some(level) if as_json => print_json(&level),
        Some(level) => {
            let [low, high] = level.interval;
            print(format!("level                {:.4} ({low:.4} to {high:.4}) of the LUT", level.level))
        }
        None => Err(Failure::usage("the LUT has no anchors")),
    }
}

/// Refuses to compare measurements with locked clocks and without.
pub(super) fn check_clocks(lut: &Lut, lock_clocks: bool) -> Result<(), Failure> {
    if lut.context.header.clocks.is_some() == lock_clocks {
        return Ok(());
    }
    let (was, hint) = if lock_clocks { ("not locked", "leave out") } else { ("locked", "pass") };
    let problem = format!("the clocks were {was} when this LUT was measured");
    Err(Failure { exit: Exit::ContextChanged, ..Failure::usage(problem) }.hint(format!("{hint} --lock-clocks")))
}

/// Measures one network whole, with the LUT's anchors, in sessions of its own in the LUT's context.
pub(super) fn measure_network(lut: &Lut, space: &str, arch: &Arch, allow_noisy: bool) -> Result<Validation, Failure> {
    let (space, _) = at_batch(resolve::space(space)?, lut.context.header.batch)?;
    let file = resolve::device(&lut.context.header.device, &[])?;
    let mut link = resolve::open(&file)?;
    let networks = std::slice::from_ref(arch);
    let processes = Processes::All(WINNER_PROCESSES);
    let session = WholeSession { processes, ..session(WINNER_SEED, WINNER_ROUNDS, allow_noisy) };
    let events = measured((lut, &space), networks, session, (&file, &mut link), None, Kept::Run)?;
    Ok(validate(&events, &space, &Estimator::new(lut), None, WINNER_SEED)?)
}

fn session(seed: u64, max_rounds: u32, allow_noisy: bool) -> WholeSession {
    WholeSession { processes: Processes::All(1), max_rounds, seed, gate: Gate { patience: PATIENCE, allow_noisy } }
}

/// Measures the anchors and these networks in the LUT's context.
fn measured(
    (lut, space): (&Lut, &Space),
    networks: &[Arch],
    session: WholeSession,
    (file, link): (&DeviceFile, &mut Link),
    journal: Option<(&Path, Existing)>,
    left: Kept,
) -> Result<Vec<Event>, Failure> {
    let (writer, kept) = match journal {
        Some((path, existing)) => {
            let (_, writer, kept) = KeptJournal::open(path, existing)?;
            (Some(writer), Some(kept))
        }
        None => (None, None),
    };
    let mut recorder = Recorder::new(Vec::new(), writer, interruption(left)?);
    let display = std::cell::RefCell::new(Screen::new().display(None));
    let backend = &lut.context.header.backend;
    let result = retry(
        file.reconnect(),
        &mut recorder,
        &mut |problem, pause| display.borrow_mut().waiting(problem, pause),
        &mut |recorder| {
            let connect = &mut || Ok(link.agent(backend)?);
            measure_whole((lut, space), networks, session, recorder, connect, &mut |process, all, progress| {
                let what = if all == 1 { "validate".to_owned() } else { format!("process {}/{all}", process + 1) };
                display.borrow_mut().progress(&what, &progress);
            })
        },
    );
    display.borrow().finish();
    print_remarks(&lut.context.header.device, link);
    let result = result.map_err(|error| match left {
        Kept::Nothing => Failure::from(error).without_resuming(),
        _ => Failure::from(error),
    });
    match kept {
        Some(kept) => kept.end(&recorder, result)?,
        None => result?,
    };
    Ok(recorder.events().to_vec())
}
