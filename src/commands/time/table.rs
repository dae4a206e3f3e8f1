//! The times of networks as a table.

use nasprof_base::text::{bytes, count, ms, rough};
use nasprof_lut::{SessionFacts, Timings};
use nasprof_profiler::journal::EndReason;

use super::super::estimate::half_width;
use super::super::print;
use super::super::table::{Tone, fit_ends, paint, spare};
use super::Network;
use crate::cli::TimeArgs;
use crate::failure::Failure;

pub(super) fn show(
    timed: &Timings,
    batch: Option<usize>,
    (networks, sessions): (&[Network], &[SessionFacts]),
    args: &TimeArgs,
) -> Result<(), Failure> {
    let header = &timed.header;
    let (threads, processes) = (count(header.threads, "thread"), processes(args.processes));
    let batch = batch.map_or_else(String::new, |batch| format!("batch {batch}, "));
    let timing = header.timing.map_or_else(String::new, |timing| format!(", timing {}", timing.name()));
    print(format!("{}, {}, {threads}, {batch}{processes}{timing}", args.device, header.backend))?;
    for (number, session) in (1..).zip(sessions) {
        if session.reason == EndReason::Throttled {
            let rounds = count(session.rounds as usize, "round");
            let ended =
                format!("process {number} ended after {rounds}: the device was throttled, and waiting did not help");
            print(paint(Tone::Bad, ended))?;
        }
        if !session.bad_probes.is_empty() {
            print(paint(Tone::Bad, format!("process {number} NOISY: {}", session.bad_probes.join(", "))))?;
        }
    }
    let width = name_width();
    heading(&format!("{:>11}", "first call"))?;
    for Network { name, time, converged, estimate, .. } in networks {
        let half = time.half_width();
        let [median, p90, p99] = [time.median_ms, time.p90_ms, time.p99_ms].map(ms);
        print(format!(
            "{} {:>10} {:>8} {median:>9} {p90:>9} {p99:>9} {:>11}",
            fit_ends(name, 4, width),
            ms(time.mean_ms),
            half.map(half_width).unwrap_or_default(),
            ms(time.first_call_ms)
        ))?;
        if !converged {
            let is = if half.is_some() { "its interval is wider than" } else { "no interval: too few rounds for" };
            print(paint(Tone::Doubtful, format!("  {is} --ci ({})", rough(args.ci))))?;
        }
        let memory = time.peak_memory_bytes.map_or_else(|| "unknown".to_owned(), |peak| bytes(peak as f64));
        let mut about = format!("  peak memory {memory}, {}", count(time.runs, "run"));
        if time.disturbed > 0 {
            about += &format!(" ({} disturbed)", time.disturbed);
        }
        if time.calls_per_run > 1 {
            about += &format!(" of {} calls", time.calls_per_run);
        }
        print(paint(Tone::Faint, about))?;
        if let Some(estimate) = estimate {
            print(match estimate.latency_ms {
                Some(estimated) => {
                    let shape =
                        estimate.shape_half_width.map_or_else(String::new, |half| format!(" {}", half_width(half)));
                    let over = (time.mean_ms / estimated - 1.0) * 100.0;
                    format!("  estimate {}{shape} at the LUT's level; measured {over:+.1} %", ms(estimated))
                }
                None => "  estimate unknown: some layers have no entry".to_owned(),
            })?;
        }
    }
    Ok(())
}

/// Columns of a network's name.
pub(super) fn name_width() -> usize {
    17 + spare()
}

/// The heading of the times; `last` is that of the last column, at its width.
pub(super) fn heading(last: &str) -> Result<(), Failure> {
    let name = fit_ends("network", 4, name_width());
    let heading = format!("{name} {:>10} {:>8} {:>9} {:>9} {:>9} {last}", "mean", "", "median", "p90", "p99");
    print(paint(Tone::Strong, heading))
}

pub(super) fn processes(number: u32) -> String {
    if number == 1 { "1 process".to_owned() } else { format!("{number} processes") }
}
