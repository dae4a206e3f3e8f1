//! `nasprof measure --shard`: one LUT from the work of several equal boards.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nasprof_lut::{CrossCheck, MergedShards, ShardError, context_differences, merge_shards, write};
use nasprof_profiler::engine::setup;
use nasprof_profiler::journal::Shard;
use serde_json::{Value, json};

use super::super::kept_journal::events_of;
use super::super::{path_text, print, print_json};
use super::job::Job;
use super::outcome::{Outcome, failed, in_words};
use super::{exit_code, measure_all, split};
use crate::cli::MeasureArgs;
use crate::failure::{Exit, Failure};
use crate::outputs::{LUTS, Outputs, given};
use crate::resolve;

/// Each board measures its part into its own journal and LUT; if the boards agree, the parts become one LUT.
pub(super) fn run(mut devices: Vec<String>, args: &MeasureArgs) -> Result<ExitCode, Failure> {
    if devices.len() < 2 {
        return Err(Failure::usage(format!("--shard: `{}` is only one device", devices.join(",")))
            .hint("name several equal boards, for example `--device a,b`, or a group"));
    }
    if args.sessions < 2 {
        return Err(Failure::usage("--shard with --sessions 1: each board needs at least two sessions")
            .hint("leave out --sessions, or pass a larger number"));
    }
    // The parts, and so --resume, do not depend on the order of the boards.
    devices.sort();
    let output = args.output.clone().unwrap_or_else(|| {
        let boards: Vec<String> = devices.iter().map(|device| resolve::plain(device)).collect();
        PathBuf::from(format!("{}-{}.parquet", resolve::source_name(&args.source), boards.join("+")))
    });
    let space_file = args.source.space.as_deref().map(Path::new);
    Outputs::of(given([space_file, args.source.model.as_deref()])).check("-o", &output, &LUTS)?;
    let of = devices.len() as u32;
    let prepare = |(part, device): (u32, &String)| {
        Job::prepare(device, args, part_path(&output, device)?, Some(Shard { index: part, count: of }), true)
    };
    let mut jobs = (0..of).zip(&devices).map(prepare).collect::<Result<Vec<_>, _>>()?;
    if !args.lock_clocks {
        // Locking the clocks may remove a difference; then only the parts are compared.
        refuse_other_kinds(&mut jobs)?;
    }
    match split(measure_all(&mut jobs, args)?) {
        (_, Some(failure)) => Err(failure),
        (parts, None) => finish(&output, &parts, args),
    }
}

/// The path of a board's part: next to the LUT, named after the LUT and the board.
fn part_path(output: &Path, device: &str) -> Result<PathBuf, Failure> {
    let (Some(stem), Some(ending)) = (output.file_stem(), output.extension()) else {
        return Err(Failure::usage(format!("-o {}: has no extension", output.display()))
            .hint("with --shard, -o names a single LUT that ends in .parquet, .csv or .json"));
    };
    let (stem, ending) = (stem.to_string_lossy(), ending.to_string_lossy());
    Ok(output.with_file_name(format!("{stem}-{}.{ending}", resolve::plain(device))))
}

/// Refuses boards with different contexts before hours of measuring.
fn refuse_other_kinds(jobs: &mut [Job]) -> Result<(), Failure> {
    let mut first = None;
    for job in jobs {
        let mut agent = job.link.agent(&job.target.backend).map_err(|e| Failure::from(e).context(&job.device))?;
        let facts = agent.configure(&setup(&job.header, 0)).map_err(|e| Failure::from(e).context(&job.device))?.facts;
        let Some((header, expected)) = &first else {
            first = Some((job.header.clone(), facts));
            continue;
        };
        let differs = context_differences((header, expected), (&job.header, &facts));
        if !differs.is_empty() {
            let problem = format!("`{}` and `{}` cannot share work: {}", header.device, job.device, differs.join("; "));
            return Err(Failure { exit: Exit::ContextChanged, ..Failure::usage(problem) }
                .hint("leave out --shard to measure each device into its own LUT"));
        }
    }
    Ok(())
}

/// Makes one LUT of the parts, or says why there is none.
fn finish(output: &Path, parts: &[Outcome], args: &MeasureArgs) -> Result<ExitCode, Failure> {
    let journals: Vec<PathBuf> = parts.iter().map(|part| part.journal.clone()).collect();
    let print_summary = |cross_check: Option<&CrossCheck>, more: Value| {
        let part = |part: &Outcome| {
            json!({
                "device": part.device, "lut": path_text(&part.output), "journal": path_text(&part.journal), "rows": part.lut.rows.len(),
                "visits": part.visits, "converged": part.converged, "seconds": part.elapsed.as_secs_f64(),
            })
        };
        let mut all = json!({
            "lut": null, "cross_check": cross_check, "parts": parts.iter().map(part).collect::<Vec<_>>(),
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        print_json(&all)
    };
    match merge_shards(&events_of(&journals)?) {
        Ok(MergedShards { lut, cross_check }) => {
            write(&lut, output)?;
            if args.json {
                let more = json!({
                    "lut": path_text(output), "devices": lut.devices(), "rows": lut.rows.len(), "failed": failed(&lut),
                    "sessions": lut.context.sessions,
                    "calibration": lut.context.calibration, "seed": args.seed,
                });
                print_summary(Some(&cross_check), more)?;
            } else {
                let CrossCheck { layers, level, .. } = &cross_check;
                let (boards, apart) = (parts.len(), 100.0 * level.difference);
                let line = in_words(output, &lut);
                print(format!(
                    "{line}; {boards} boards agree on {layers} common layers, their levels {apart:.1} % apart"
                ))?;
            }
            Ok(exit_code(parts))
        }
        Err(error) => {
            if args.json {
                let cross_check = match &error {
                    ShardError::Disagree { cross_check } => Some(&**cross_check),
                    _ => None,
                };
                print_summary(cross_check, json!({}))?;
            } else {
                parts.iter().try_for_each(|part| part.print(args))?;
            }
            let failure = Failure::from(error);
            let hint = failure.hint.clone().unwrap_or_default();
            Err(failure.hint(format!("no common LUT was written and each board's part is kept; {hint}")))
        }
    }
}
