//! `nasprof lut`.

use std::path::Path;
use std::process::ExitCode;

use nasprof_lut::{Lut, Row, check, diff, from_journal, read, write};
use nasprof_profiler::journal::read_file;

use super::table::{bar, fit, ms, percent};
use super::{print, print_json};
use crate::cli::{LutArgs, LutCommand};
use crate::failure::{Exit, Failure};

pub(super) fn run(args: &LutArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        LutCommand::Show { lut, rows } => {
            let lut = read(lut)?;
            if args.json { print_json(&lut)? } else { show(&lut, *rows)? }
        }
        LutCommand::Diff { before, after } => show_diff(&read(before)?, &read(after)?, args.json)?,
        LutCommand::Export { lut, output } => {
            let lut = read(lut)?;
            write(&lut, output)?;
            said(output, &lut, args.json)?;
        }
        LutCommand::Rebuild { journal, output } => {
            let recovered = read_file(journal).map_err(|e| Failure::from(e).about(journal.display()))?;
            let lut = from_journal(&recovered.events)?;
            write(&lut, output)?;
            said(output, &lut, args.json)?;
        }
        LutCommand::Check { lut } => {
            let findings = check(&read(lut)?);
            if args.json {
                print_json(&findings)?;
            } else if findings.is_empty() {
                print("nothing suspicious")?;
            }
            for finding in findings.iter().filter(|_| !args.json) {
                print(format!("{}: {}", finding.key.as_ref().map_or("LUT", |k| k.as_str()), finding.problem))?;
            }
            if !findings.is_empty() {
                return Ok(ExitCode::from(Exit::Usage as u8));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn said(output: &Path, lut: &Lut, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return print_json(&serde_json::json!({"lut": output, "rows": lut.rows.len()}));
    }
    print(format!("{} ({} rows)", output.display(), lut.rows.len()))
}

/// Context, then the most expensive layers.
fn show(lut: &Lut, count: usize) -> Result<(), Failure> {
    let header = &lut.context.header;
    let threads = header.threads;
    print(format!(
        "{} on {} ({}), batch {}, {threads} thread(s), allocator {}, {:?}, seed {}",
        header.space,
        header.device,
        header.backend,
        header.batch,
        header.allocator.name(),
        header.mode,
        header.seed
    ))?;
    for (i, s) in lut.context.sessions.iter().enumerate() {
        let noise =
            if s.bad_probes.is_empty() { String::new() } else { format!(", NOISY: {}", s.bad_probes.join(", ")) };
        print(format!(
            "session {}: {} rounds ({}), canary spread {} / {}{noise}",
            i + 1,
            s.rounds,
            s.reason,
            percent(s.canary_spread[0]),
            percent(s.canary_spread[1]),
        ))?;
    }
    if let Some(c) = &lut.context.calibration {
        let (loo, shape, level) = (percent(c.leave_one_out), percent(c.shape_half_width), percent(c.level_half_width));
        print(format!("calibration {:.4} from {} anchors, leave-one-out error {loo}", c.scale, c.anchors))?;
        print(format!("estimates: shape ± {shape}, level of another session ± {level} (95 %)"))?;
    }
    let mut rows: Vec<&Row> = lut.rows.iter().collect();
    let time = |row: &Row| row.times.as_ref().map_or(f64::INFINITY, |t| t.mean_ns);
    rows.sort_by(|a, b| time(b).total_cmp(&time(a)));
    let largest = rows.iter().map(|r| time(r)).filter(|t| t.is_finite()).fold(0.0, f64::max);
    print(format!("\n{} {:>10} {:>8} {:<10} flags", fit("layer", 42), "mean", "± half", ""))?;
    let count = if count == 0 { rows.len() } else { count };
    for row in rows.iter().take(count) {
        let key = fit(row.key.as_str(), 42);
        let Some(times) = &row.times else {
            print(format!("{key} FAILED: {}", row.error.as_deref().unwrap_or("unknown")))?;
            continue;
        };
        let half = match (times.ci_low_ns, times.ci_high_ns) {
            (Some(low), Some(high)) if low > 0.0 => format!("{:.1} %", 50.0 * (high / low).ln()),
            _ => "unknown".to_owned(),
        };
        let flags: Vec<String> = row.flags.iter().map(|f| format!("{f:?}").to_lowercase()).collect();
        let (mean, share) = (ms(times.mean_ns / 1e6), bar(times.mean_ns / largest));
        print(format!("{key} {mean:>10} {half:>8} {share:<10} {}", flags.join(" ")))?;
    }
    if rows.len() > count {
        print(format!("… {} more rows; --rows 0 shows all", rows.len() - count))?;
    }
    Ok(())
}

fn show_diff(before: &Lut, after: &Lut, as_json: bool) -> Result<(), Failure> {
    let diff = diff(before, after);
    if as_json {
        return print_json(&diff);
    }
    let text = |v: Option<f64>| v.map_or("unknown".to_owned(), percent);
    print(format!("common factor            {}", diff.level.map_or("unknown".to_owned(), |l| format!("{l:.4}"))))?;
    print(format!("p95 of |ln ratio|        {}", text(diff.p95_log_ratio)))?;
    print(format!("  without common factor  {}", text(diff.p95_log_ratio_without_level)))?;
    print(format!("intervals overlap        {}", text(diff.overlapping)))?;
    print(format!("only before / after      {} / {}", diff.only_before.len(), diff.only_after.len()))?;
    for row in diff.rows.iter().take(20) {
        let (before, after) = (ms(row.before_ms), ms(row.after_ms));
        print(format!("{} {before:>11} {after:>11} {:>7.3}", fit(row.key.as_str(), 46), row.ratio))?;
    }
    Ok(())
}
