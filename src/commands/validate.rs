//! `nasprof validate`: fresh networks and the LUT's anchors, measured whole in one process of their own.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use nasprof_devices::{DeviceFile, Link, persist};
use nasprof_graph::arch::ArchFile;
use nasprof_graph::{Arch, Space};
use nasprof_lut::{Estimator, Lut, Validation, level_now, read, validate};
use nasprof_profiler::engine::{Gate, Recorder, SessionPlan, Unit, run_session, setup};
use nasprof_profiler::journal::{Event, Header, Mode, Role, Writer};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::estimate::expect;
use super::measure::PATIENCE;
use super::table::percent;
use super::{interruption, print, print_json, validate_memory};
use crate::cli::{ContextArgs, ValidateArgs};
use crate::display::Screen;
use crate::failure::{Exit, Failure};
use crate::resolve::{self, at_batch};

/// Rounds of a validation: between the first two checkpoints, so that intervals exist.
const MIN_ROUNDS: u32 = 12;
const MAX_ROUNDS: u32 = 18;
/// Draws spent on a network that was not measured before, in small spaces.
const MAX_DRAWS: usize = 1000;

pub(super) fn run(args: &ValidateArgs) -> Result<ExitCode, Failure> {
    let lut = read(&args.lut)?;
    let isolated = args.isolated.as_deref().map(read).transpose()?;
    let (space, digest) = at_batch(resolve::space(&args.space)?, lut.context.header.batch)?;
    expect(&lut, &args.context, &space.name, &digest)?;
    lut.expect(&[("device", Some(args.device.clone()))])?;
    if lut.context.header.clocks.is_some() != args.lock_clocks && !args.memory {
        let (was, hint) = if args.lock_clocks { ("not locked", "leave out") } else { ("locked", "pass") };
        let problem = format!("the clocks were {was} when this LUT was measured");
        return Err(
            Failure { exit: Exit::ContextChanged, ..Failure::usage(problem) }.hint(format!("{hint} --lock-clocks"))
        );
    }
    let archs = fresh(&space, &lut, args.count as usize, args.seed)?;
    let file = resolve::device(&args.device, &args.settings.set)?;
    let mut link = resolve::open(&file)?;
    if args.memory {
        validate_memory::run(&space, &lut, &archs, &mut link, args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let units = units(&space, &lut, &archs)?;
    let (seed, allow_noisy) = (args.seed, args.allow_noisy);
    let events = measured(&lut, units, (&file, &mut link), seed, allow_noisy, args.journal.as_deref())?;
    let isolated = isolated.as_ref().map(Estimator::new);
    let validation = validate(&events, &Estimator::new(&lut), isolated.as_ref(), args.seed)?;
    if args.json {
        print_json(&named(&validation, &space)?)?
    } else {
        show(&validation)?
    }
    Ok(ExitCode::SUCCESS)
}

/// Re-measures a LUT's anchors and prints the machine's level against it.
pub(super) fn level_check(
    device: &str,
    settings: &[String],
    lut: &Path,
    space: &str,
    as_json: bool,
) -> Result<(), Failure> {
    let lut = read(lut)?;
    let (space, digest) = at_batch(resolve::space(space)?, lut.context.header.batch)?;
    let context = ContextArgs { backend: None, threads: None, batch: None, allocator: None };
    expect(&lut, &context, &space.name, &digest)?;
    lut.expect(&[("device", Some(device.to_owned()))])?;
    let file = resolve::device(device, settings)?;
    let mut link = resolve::open(&file)?;
    let events = measured(&lut, units(&space, &lut, &[])?, (&file, &mut link), 1, true, None)?;
    match level_now(&events, &Estimator::new(&lut))? {
        Some(level) if as_json => print_json(&level),
        Some(level) => {
            let [low, high] = level.interval;
            print(format!("level                {:.4} ({low:.4} to {high:.4}) of the LUT", level.level))
        }
        None => Err(Failure::usage("the LUT has no anchors")),
    }
}

/// Architectures that the LUT never saw.
fn fresh(space: &Space, lut: &Lut, count: usize, seed: u64) -> Result<Vec<Arch>, Failure> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut seen: BTreeSet<Arch> = lut.context.measured.iter().cloned().collect();
    let mut archs = Vec::new();
    for _ in 0..count {
        let arch =
            (0..MAX_DRAWS).map(|_| space.sample(&mut rng)).find(|arch| !seen.contains(arch)).ok_or_else(|| {
                let found = archs.len();
                Failure::usage(format!("-n {count}: the space has only {found} networks that the LUT has not measured"))
            })?;
        seen.insert(arch.clone());
        archs.push(arch);
    }
    Ok(archs)
}

/// The anchors, then the fresh networks.
fn units(space: &Space, lut: &Lut, fresh: &[Arch]) -> Result<Vec<Unit>, Failure> {
    let anchors = lut.context.anchors.iter().map(|a| (&a.arch, true));
    let all = anchors.chain(fresh.iter().map(|arch| (arch, false)));
    all.enumerate()
        .map(|(i, (arch, anchor))| {
            let graph = lut.context.header.runtime.subnet(&space.graph, arch)?;
            Ok(Unit::new(i as u32, Role::Network { arch: arch.clone(), anchor }, graph))
        })
        .collect()
}

/// One session of whole networks in the LUT's context.
fn measured(
    lut: &Lut,
    units: Vec<Unit>,
    (file, link): (&DeviceFile, &mut Link),
    seed: u64,
    allow_noisy: bool,
    journal: Option<&Path>,
) -> Result<Vec<Event>, Failure> {
    // A session number of its own: a synthetic device must not repeat a session of the LUT.
    let session = lut.context.header.sessions.saturating_add(seed as u32 % 1000);
    let header = Header { mode: Mode::Whole, seed, sessions: 1, allow_noisy, ..lut.context.header.clone() };
    let plan = SessionPlan {
        units,
        mode: Mode::Whole,
        ci: header.ci,
        min_rounds: MIN_ROUNDS,
        max_rounds: MAX_ROUNDS,
        gate: Gate { patience: PATIENCE, allow_noisy },
        deadline: None,
        setup: setup(&header, session),
        expected: Some(lut.context.facts.clone()),
    };
    let writer = journal.map(Writer::create).transpose()?;
    let mut recorder = Recorder::new(Vec::new(), writer, interruption()?);
    let display = std::cell::RefCell::new(Screen::new().display(None));
    let result = persist(
        file.reconnect(),
        &mut recorder,
        &mut |problem, pause| display.borrow_mut().waiting(problem, pause),
        &mut |recorder| {
            recorder.decide(Event::Header(Box::new(header.clone())))?;
            for Unit { unit, role, graph, .. } in plan.units.clone() {
                recorder.decide(Event::Unit { unit, role, graph })?;
            }
            run_session(&plan, recorder, &mut || Ok(link.agent(&header.backend)?), &mut |progress| {
                display.borrow_mut().progress("validate", &progress);
            })
        },
    );
    display.borrow().finish();
    result?;
    Ok(recorder.events().to_vec())
}

/// The result with architectures by name, as files have them.
fn named(validation: &Validation, space: &Space) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(validation).map_err(Failure::internal)?;
    for (i, row) in validation.rows.iter().enumerate() {
        value["rows"][i]["arch"] = json!(ArchFile::new(&space.name, &space.choices, &row.arch));
    }
    Ok(value)
}

fn show(v: &Validation) -> Result<(), Failure> {
    if let (Some(level), Some([low, high])) = (v.level, v.level_interval) {
        print(format!("level now       {level:.4} ({low:.4} to {high:.4}) of the LUT, from its anchors"))?;
    }
    print(format!("networks        {} fresh, seed {}", v.n, v.seed))?;
    print(format!("MAPE            {} (bias {}) after the level", percent(v.mape), percent(v.bias)))?;
    print(format!("                {} before the level", percent(v.raw_mape)))?;
    if let Some(isolated) = v.isolated_mape {
        print(format!("isolated LUT    {} as it is", percent(isolated)))?;
    }
    let within = [v.within_2, v.within_5, v.within_10].map(percent);
    print(format!("within 2/5/10 % {} / {} / {}", within[0], within[1], within[2]))?;
    if let Some(rho) = v.spearman {
        print(format!("rank (Spearman) {rho:.4}"))?;
    }
    if let Some(covered) = v.covered {
        print(format!("in the interval {} of the raw measurements", percent(covered)))?;
    }
    Ok(())
}
