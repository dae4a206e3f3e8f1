//! `nasprof lut import`: makes a LUT of another program's table.

use std::path::PathBuf;

use nasprof_graph::runtime::Runtime;
use nasprof_lut::{Format, ImportError, ImportReport, ImportSettings, Unit, import, write};
use nasprof_profiler::engine::keys_of_space;
use nasprof_profiler::journal::Mode;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::super::table::{Tone, paint};
use super::super::{path_text, print, print_json};
use super::check_output;
use crate::cli::{ImportArgs, LatencyUnit, ModeArg, TableFormat};
use crate::failure::Failure;
use crate::resolve;

pub(super) fn run(args: &ImportArgs, as_json: bool) -> Result<(), Failure> {
    check_output(&[args.table.clone(), PathBuf::from(&args.space)], &args.output)?;
    let batch = usize::from(args.batch);
    let (space, identity) = resolve::at_batch(resolve::space(&args.space)?, batch)?;
    let keys = keys_of_space(&space, Runtime::TorchEager, &mut ChaCha8Rng::seed_from_u64(0))?;
    let layers = keys.into_iter().map(|(key, (graph, _))| (key, graph)).collect();
    let in_context = |failure: Failure| failure.context(args.table.display());
    let text = resolve::text_file(&args.table).map_err(in_context)?;
    let settings = ImportSettings {
        format: match args.format {
            TableFormat::Table => Format::Table,
            TableFormat::Nnabla => Format::Nnabla,
        },
        file: args.table.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        unit: args.unit.map(|unit| match unit {
            LatencyUnit::S => Unit::Seconds,
            LatencyUnit::Ms => Unit::Milliseconds,
            LatencyUnit::Us => Unit::Microseconds,
            LatencyUnit::Ns => Unit::Nanoseconds,
        }),
        device: args.device.clone(),
        space: (space.name, identity.digest().to_owned()),
        mode: match args.mode {
            ModeArg::InContext => Mode::InContext,
            ModeArg::Isolated => Mode::Isolated,
        },
        threads: usize::from(args.threads),
        batch,
        allow_suspicious: args.allow_suspicious,
    };
    let imported = import(&text, &layers, &settings).map_err(|error| in_context(failure(error)))?;
    write(&imported.lut, &args.output)?;
    if as_json {
        return print_json(&json!({"lut": path_text(&args.output), "import": imported.report}));
    }
    print(format!("{} ({} rows)", args.output.display(), imported.lut.rows.len()))?;
    show(&imported.report)
}

fn show(report: &ImportReport) -> Result<(), Failure> {
    let ImportReport { entries, rows, missing, failed, left_out, findings } = report;
    print(format!(
        "{rows} of {entries} entries are layers of the space with a latency; {missing} of its layers have no entry"
    ))?;
    if *failed > 0 {
        print(paint(Tone::Bad, format!("{failed} layers failed")))?;
    }
    for (reason, count) in left_out {
        print(format!("skipped: {count}, {reason}"))?;
    }
    for finding in findings {
        print(paint(Tone::Doubtful, format!("implausible: {finding}")))?;
    }
    print("rows are flagged `imported`: estimates have no interval")
}

fn failure(error: ImportError) -> Failure {
    let hint = match &error {
        ImportError::Unit | ImportError::Units { .. } => Some("pass the unit, for example `--unit ms`"),
        ImportError::Batch { .. } => Some("pass the table's batch size with --batch"),
        ImportError::Suspicious(_) => Some("`--allow-suspicious` imports it anyway and flags its rows"),
        ImportError::Nothing(_) => Some("check --space and --format; `nasprof space show SPACE` lists the space"),
        ImportError::Format(_) | ImportError::Twice(_) => None,
    };
    let failure = Failure::usage(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
