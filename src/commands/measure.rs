//! `nasprof measure`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nasprof_lut::{Flag, Row, from_journal, write};
use nasprof_profiler::engine::{Gate, Measurement, Recorder, measure};
use nasprof_profiler::journal::{Event, Header, Mode, Writer};

use super::{interruption, print, print_json};
use serde_json::json;

use crate::cli::{MeasureArgs, ModeArg};
use crate::display::Display;
use crate::failure::{Exit, Failure};
use crate::resolve::{self, at_batch, connect, target};

/// How long the gate waits for a quiet machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(args: &MeasureArgs) -> Result<ExitCode, Failure> {
    let file = resolve::device(&args.device)?;
    let target = target(&args.device, &file, &args.context)?;
    let (space, space_digest) = at_batch(resolve::space(&args.space)?, target.batch)?;
    let header = Header {
        format_version: 1,
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        device: args.device.clone(),
        backend: target.backend.clone(),
        space: space.name.clone(),
        space_digest,
        runtime: resolve::runtime(&target.backend),
        mode: match args.mode {
            ModeArg::InContext => Mode::InContext,
            ModeArg::Isolated => Mode::Isolated,
        },
        batch: target.batch,
        threads: target.threads,
        cores: target.cores.clone(),
        allocator: target.allocator,
        ci: args.ci,
        sessions: args.sessions,
        max_rounds: args.max_rounds,
        seed: args.seed,
        allow_noisy: args.allow_noisy,
        clocks: args.lock_clocks.then(|| target.clocks.clone()),
    };
    let output = args.output.clone().unwrap_or_else(|| {
        let (space, device) = (resolve::file_name(&args.space), resolve::file_name(&args.device));
        PathBuf::from(format!("{space}-{device}.parquet"))
    });
    let journal = journal_path(&output);
    let (recorded, writer) = open(&journal, args)?;
    let mut recorder = Recorder::new(recorded, Some(writer), interruption()?);
    let measurement = Measurement {
        space: &space,
        header,
        gate: Gate { patience: PATIENCE, allow_noisy: args.allow_noisy },
        deadline: args.budget.map(|budget| Instant::now() + budget),
    };
    let mut display = Display::new();
    let converged =
        measure(&measurement, &mut recorder, &mut || connect(&target.backend), &mut |stage| display.stage(&stage));
    let elapsed = display.finish();
    let converged = converged?;
    let lut = from_journal(recorder.events())?;
    write(&lut, &output)?;
    let failed: Vec<&Row> = lut.rows.iter().filter(|row| row.times.is_none()).collect();
    for row in &failed {
        display.say(&format!("{} failed: {}", row.key, row.error.as_deref().unwrap_or("unknown")));
    }
    if args.json {
        print_json(&json!({
            "lut": output,
            "journal": journal,
            "rows": lut.rows.len(),
            "failed": failed.len(),
            "converged": converged,
            "sessions": lut.context.sessions,
            "calibration": lut.context.calibration,
            "seconds": elapsed.as_secs_f64(),
            "seed": args.seed,
        }))?;
    } else {
        let unsure = lut.rows.iter().filter(|row| row.flags.contains(&Flag::NotConverged)).count();
        let (path, rows, failed) = (output.display(), lut.rows.len(), failed.len());
        print(format!("{path}: {rows} layers, {failed} failed, {unsure} not within {} %", args.ci * 100.0))?;
    }
    Ok(if converged { ExitCode::SUCCESS } else { ExitCode::from(Exit::NotConverged as u8) })
}

/// The journal of a LUT stands beside it.
pub(super) fn journal_path(lut: &Path) -> PathBuf {
    lut.with_extension("journal.jsonl")
}

/// A new journal, or the recorded events of one to go on with.
fn open(journal: &Path, args: &MeasureArgs) -> Result<(Vec<Event>, Writer), Failure> {
    if !journal.exists() {
        return Ok((Vec::new(), Writer::create(journal)?));
    }
    if !args.resume {
        let hint = "--resume goes on with it; -o writes elsewhere";
        return Err(Failure::usage(format!("{} exists", journal.display())).hint(hint));
    }
    let (recovered, writer) = Writer::resume(journal).map_err(|e| Failure::from(e).about(journal.display()))?;
    Ok((recovered.events, writer))
}
