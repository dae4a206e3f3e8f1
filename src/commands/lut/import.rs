//! `nasprof lut import`: makes a LUT of another program's table.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nasprof_graph::runtime::Runtime;
use nasprof_lut::{Format, ImportError, ImportReport, ImportSettings, Unit, import, import_profile, write};
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
    let inputs: Vec<PathBuf> =
        std::iter::once(args.table.clone()).chain(args.space.as_ref().map(PathBuf::from)).collect();
    check_output(&inputs, &args.output)?;
    let batch = usize::from(args.batch);
    let format = format(args.format);
    if args.space.is_some() && !format.is_of_a_space() {
        return Err(Failure::usage(format!("--space: a profile of format {} defines its own layers", format.name()))
            .hint("leave --space out"));
    }
    let in_context = |failure: Failure| failure.context(args.table.display());
    // Profiles, which programs write, are larger than tables, which people write.
    let text = match format.is_of_a_space() {
        true => resolve::text_file(&args.table),
        false => resolve::model_file(&args.table)
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| Failure::usage("not a text file"))),
    };
    let text = text.map_err(in_context)?;
    let (space, layers) = match &args.space {
        Some(name) => {
            let (space, identity) = resolve::at_batch(resolve::space(name)?, batch)?;
            let keys = keys_of_space(&space, Runtime::TorchEager, &mut ChaCha8Rng::seed_from_u64(0))?;
            let layers: BTreeMap<_, _> = keys.into_iter().map(|(key, (graph, _))| (key, graph)).collect();
            ((space.name, identity.digest().to_owned()), layers)
        }
        // The model has no other name.
        None => ((resolve::file_name(&args.table.to_string_lossy()), String::new()), BTreeMap::new()),
    };
    let settings = ImportSettings {
        format,
        file: resolve::last_part(&args.table),
        unit: args.unit.map(|unit| match unit {
            LatencyUnit::S => Unit::Seconds,
            LatencyUnit::Ms => Unit::Milliseconds,
            LatencyUnit::Us => Unit::Microseconds,
            LatencyUnit::Ns => Unit::Nanoseconds,
        }),
        device: args.device.clone(),
        space,
        mode: match args.mode {
            ModeArg::InContext => Mode::InContext,
            ModeArg::Isolated => Mode::Isolated,
        },
        threads: usize::from(args.threads),
        batch,
        allow_suspicious: args.allow_suspicious,
    };
    let imported = match format.is_of_a_space() {
        true => import(&text, &layers, &settings),
        false => import_profile(&text, &settings),
    };
    let imported = imported.map_err(|error| in_context(failure(error)))?;
    write(&imported.lut, &args.output)?;
    if as_json {
        return print_json(&json!({"lut": path_text(&args.output), "import": imported.report}));
    }
    print(format!("{} ({} rows)", args.output.display(), imported.lut.rows.len()))?;
    if format.is_of_a_space() { show(&imported.report) } else { show_profile(&imported.report) }
}

fn format(format: TableFormat) -> Format {
    match format {
        TableFormat::Table => Format::Table,
        TableFormat::Nnabla => Format::Nnabla,
        TableFormat::Trtexec => Format::Trtexec,
        TableFormat::TfliteCsv => Format::TfliteCsv,
        TableFormat::Onnxruntime => Format::OnnxRuntime,
        TableFormat::OnceForAll => Format::OnceForAll,
        TableFormat::Proxylessnas => Format::ProxylessNas,
        TableFormat::NniFbnet => Format::NniFbnet,
    }
}

fn show_profile(report: &ImportReport) -> Result<(), Failure> {
    let ImportReport { entries, rows, failed, findings, .. } = report;
    print(format!("{rows} of {entries} layers have a latency"))?;
    if *failed > 0 {
        print(paint(Tone::Bad, format!("{failed} layers failed")))?;
    }
    for finding in findings {
        print(paint(Tone::Doubtful, format!("implausible: {finding}")))?;
    }
    print("rows are flagged `imported` and keep the profile's names; `lut show`, `lut diff` and `report` read the file")
}

fn show(report: &ImportReport) -> Result<(), Failure> {
    let ImportReport { entries, rows, missing, failed, left_out, findings } = report;
    print(format!(
        "{rows} of {entries} entries are layers of the space with a latency; {missing} other layers have no entry"
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
