//! `nasprof validate`: new networks and the LUT's anchors, measured whole in separate processes.

mod table;

use std::path::Path;
use std::process::ExitCode;

use nasprof_graph::Arch;
use nasprof_lut::{
    Estimator, Holdout, Lut, LutError, Processes, Validation, WholeSession, holdout_networks, read, validate,
};
use nasprof_profiler::journal::Mode;
use nasprof_profiler::protocol::Timing;
use nasprof_search::job::Existing;
use nasprof_spaces::Space;

pub(super) use self::table::disturbed;
use self::table::show;
use super::archs;
use super::context::{check_clocks, check_context, of_timing};
use super::whole::{measured, session};
use super::{kept_journal, print_json, status, validate_memory};
use crate::cli::ValidateArgs;
use crate::failure::Failure;
use crate::interruption::Kept;
use crate::outputs::{Outputs, given};
use crate::resolve::{self, at_batch};

/// Seed of the order in which a search's winner is measured among the anchors.
const WINNER_SEED: u64 = 1;
/// Processes that measure a search's winner. Where clocks are not fixed, the level of one process is off by several
/// percent, but the target is to be met within 1 %.
const WINNER_PROCESSES: u32 = 5;
/// Rounds in each of them: with so many, the difference between processes is many times the error within one.
const WINNER_ROUNDS: u32 = 8;

pub(super) fn run(args: &ValidateArgs) -> Result<ExitCode, Failure> {
    let lut = of_timing(read(&args.lut)?, &args.context)?;
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
    let compared = if args.all_timings { of_each_timing(&lut)? } else { Vec::new() };
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
    let (Holdout { networks, uncovered }, known) = networks(args, &space, &lut)?;
    let file = resolve::device(&args.device, &args.settings.set)?;
    let mut link = resolve::open(&file)?.locking_clocks(args.lock_clocks);
    if args.memory {
        if uncovered > 0 {
            status(format!("note: {uncovered} more networks left out: the LUT has no entry for one of their layers"));
        }
        validate_memory::run(&space, &lut, &networks, &mut link, args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let processes = if args.alone { Processes::OneEach } else { Processes::All(args.processes) };
    let session = WholeSession { processes, ..session(args.seed, args.max_rounds, args.allow_noisy) };
    let events = measured((&lut, &space), &networks, session, (&file, &mut link), journal, Kept::Nothing, "validate")?;
    let isolated = isolated.as_ref().map(Estimator::new);
    let of = |lut: &Lut| {
        let validation = validate(&events, &space, &Estimator::new(lut), isolated.as_ref(), args.seed)?;
        Ok::<_, LutError>(Validation { uncovered, known, ..validation })
    };
    if args.all_timings {
        let all = compared.iter().map(of).collect::<Result<Vec<_>, _>>()?;
        if args.json {
            print_json(&all)?
        } else {
            all.iter().try_for_each(show)?
        }
        return Ok(ExitCode::SUCCESS);
    }
    let validation = of(&lut)?;
    if args.json {
        print_json(&validation)?
    } else {
        show(&validation)?
    }
    Ok(ExitCode::SUCCESS)
}

/// The LUT for each kind of GPU latency that it predicts: a visit measures all of them.
fn of_each_timing(lut: &Lut) -> Result<Vec<Lut>, Failure> {
    let of = |timing| {
        let mut one = lut.clone();
        one.choose_timing(timing).is_ok().then_some(one)
    };
    let all: Vec<Lut> = Timing::ALL.into_iter().filter_map(of).collect();
    if all.is_empty() {
        return Err(
            Failure::usage("--all-timings: the LUT's device has one latency only").hint("leave --all-timings out")
        );
    }
    Ok(all)
}

/// The networks of `--arch`, else new ones; and how many were left out because the LUT was made from them. Their memory is
/// predicted as that of any other.
fn networks(args: &ValidateArgs, space: &Space, lut: &Lut) -> Result<(Holdout, usize), Failure> {
    if args.arch.is_empty() {
        return Ok((holdout_networks(space, lut, args.count as usize, args.seed)?, 0));
    }
    let given = archs::of_space(archs::files(&args.arch)?, space)?;
    let is_known = |arch: &Arch| !args.memory && lut.context.measured.contains(arch);
    let (known, given): (Vec<_>, Vec<_>) = given.into_iter().partition(|(_, arch)| is_known(arch));
    for (place, _) in &known {
        status(format!("note: {place}: left out, because the LUT was made from this network"));
    }
    if given.is_empty() {
        return Err(Failure::usage("--arch: the LUT was made from all of these networks")
            .hint("`nasprof space sample` prints others; without --arch, fresh networks are drawn"));
    }
    // Checked before anything is measured. Peak memory is predicted without the times of layers.
    let estimator = Estimator::new(lut);
    let unknown = given.iter().find(|(_, arch)| !args.memory && !estimator.predicts(space, arch));
    if let Some((place, _)) = unknown {
        return Err(Failure::usage(format!("{place}: the LUT has no entry for one of its layers"))
            .hint("`nasprof estimate --explain` lists the layers without one"));
    }
    let networks = given.into_iter().map(|(_, arch)| arch).collect();
    Ok((Holdout { networks, uncovered: 0 }, known.len()))
}

/// Refuses a LUT whose layers were not isolated, or whose context differs from that of the other LUT.
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
        ("precision", Some(header.precision.name().to_owned())),
        ("layout", Some(header.layout.name().to_owned())),
    ])?)
}

/// Measures whole networks in turn with the LUT's anchors, in separate sessions in the LUT's context.
pub(super) fn measure_networks(
    lut: &Lut,
    space: &str,
    networks: &[Arch],
    allow_noisy: bool,
) -> Result<Validation, Failure> {
    let (space, _) = at_batch(resolve::space(space)?, lut.context.header.batch)?;
    let file = resolve::device(&lut.context.header.device, &[])?;
    let mut link = resolve::open(&file)?;
    let processes = Processes::All(WINNER_PROCESSES);
    let timing = Some(Estimator::new(lut).timing());
    let session = WholeSession { processes, timing, ..session(WINNER_SEED, WINNER_ROUNDS, allow_noisy) };
    let events = measured((lut, &space), networks, session, (&file, &mut link), None, Kept::Run, "winner")?;
    Ok(validate(&events, &space, &Estimator::new(lut), None, WINNER_SEED)?)
}
