//! `nasprof lut show`: a LUT's context, then its most expensive layers.

use std::collections::BTreeMap;

use nasprof_base::text::{count, ms, percent, rough};
use nasprof_lut::{Anchor, Flag, Lut, Part, Reconciliation, Row, Times, TimingCalibration};
use nasprof_profiler::engine::{Levelling, ROW_WIDTH};
use nasprof_reports::mode_name;

use super::super::measure::{ONE_SESSION, measured};
use super::super::print;
use super::super::table::{Tone, bar, fit, fit_ends, paint, spare};
use crate::cli::SortColumn;
use crate::failure::Failure;

pub(super) fn show(lut: &Lut, rows: usize, by: SortColumn) -> Result<(), Failure> {
    context(lut)?;
    energy(lut)?;
    layers(lut, rows, by)
}

/// Keeps only the layers whose key contains a text; case is ignored.
pub(super) fn filter(lut: &mut Lut, text: &str) -> Result<(), Failure> {
    let wanted = text.to_lowercase();
    lut.rows.retain(|row| row.key.as_str().to_lowercase().contains(&wanted));
    if lut.rows.is_empty() {
        return Err(Failure::usage(format!("--filter {text}: no layer's key contains it"))
            .hint("`nasprof lut show LUT --sort layer --rows 0` lists all keys"));
    }
    Ok(())
}

fn context(lut: &Lut) -> Result<(), Failure> {
    let header = &lut.context.header;
    let threads = count(header.threads, "thread");
    print(paint(Tone::Strong, format!("{} on {} ({})", header.space, lut.devices().join(" and "), header.backend)))?;
    let (allocator, mode) = (header.allocator.name(), mode_name(header.mode));
    print(format!("batch {}, {threads}, allocator {allocator}, timed {mode}, seed {}", header.batch, header.seed))?;
    if let Some(shard) = header.shard {
        let part = format!(
            "shard {} of {} of a measurement: other layers are in the other shards",
            shard.index + 1,
            shard.count
        );
        print(paint(Tone::Doubtful, part))?;
    }
    for (i, session) in lut.context.sessions.iter().enumerate() {
        let [compute, memory] = session.canary_spread.map(percent);
        let (number, rounds, reason) = (i + 1, session.rounds, session.reason.name());
        print(format!("session {number}: {rounds} rounds ({reason}), canary spread {compute} / {memory}"))?;
        match session.levelling {
            None | Some(Levelling::None) => {}
            Some(Levelling::Round) => print("  samples are divided by the level of their round")?,
            Some(Levelling::Shrunk) => print("  samples are divided by a level between those of round and visit")?,
            Some(Levelling::Visit) => print("  samples are divided by the level of their visit")?,
        }
        for network in &session.refused {
            print(paint(Tone::Doubtful, format!("  the device refused {network}")))?;
        }
        if !session.bad_probes.is_empty() {
            print(paint(Tone::Bad, format!("  NOISY: {}", session.bad_probes.join(", "))))?;
        }
    }
    if lut.context.imported.is_none() && lut.context.sessions.iter().any(|session| session.levelling.is_none()) {
        let old = "from an older version: intervals include the level; `nasprof lut rebuild` fixes this";
        print(paint(Tone::Doubtful, old))?;
    }
    if let Some(parts) = &lut.context.reconciliation {
        for line in reconciled(parts, lut.context.calibration.is_some()) {
            print(line)?;
        }
    }
    if let Some(precision) = &lut.context.precision {
        print(measured(precision))?;
    }
    if lut.context.sessions.len() == 1 {
        print(ONE_SESSION)?;
    }
    for (number, part) in (1..).zip(&lut.context.parts) {
        of_part(number, part).into_iter().try_for_each(print)?;
    }
    match lut.whole_networks()[..] {
        [] => {}
        // A LUT of one model: its measured time is the answer.
        [network] => {
            let sessions = count(network.sessions, "session");
            print(format!("measured whole: {}, mean of {sessions}", ms(network.ms)))?;
        }
        ref networks => {
            let end = |pick: fn(f64, f64) -> f64| networks.iter().map(|network| network.ms).reduce(pick).map(ms);
            let (least, most) = (end(f64::min).unwrap_or_default(), end(f64::max).unwrap_or_default());
            print(format!("measured whole: {}, {least} to {most}", count(networks.len(), "network")))?;
        }
    }
    latencies(lut)?;
    match &lut.context.calibration {
        Some(c) => {
            let left_out = rough(c.leave_one_out);
            print(format!("calibration {:.4} from {} networks, leave-one-out error {left_out}", c.scale, c.networks))?;
            let (shape, level) = (rough(c.shape_half_width), rough(c.level_half_width));
            if c.size_effect.is_some() {
                print("estimates include the effect of a network's size")?;
            }
            print(format!("estimates: ± {shape} between networks, ± {level} for another session's level (95 %)"))
        }
        None => print(paint(Tone::Doubtful, "not calibrated: estimates are plain sums without an interval")),
    }
}

/// What a measurement in a merged LUT says of itself: merging compares nothing with whole networks again.
fn of_part(number: usize, part: &Part) -> Vec<String> {
    let Part { header, sessions, reconciliation, precision, .. } = part;
    let about = format!("part {number}: {} on {}, {}", header.space, header.device, count(sessions.len(), "session"));
    let [sums, widths] = [reconciliation.as_ref().map(sums), precision.as_ref().map(measured)];
    if sums.is_none() && widths.is_none() {
        return vec![about, "  it does not say how its layers add up to networks".to_owned()];
    }
    let said = [sums, widths].into_iter().flatten().map(|line| format!("  before merging: {line}"));
    [about].into_iter().chain(said).collect()
}

/// The sum of layers, and runs with and without timers.
fn sums(parts: &Reconciliation) -> String {
    let [sum, timed, plain] = [parts.sum_ns, parts.timed_ns, parts.plain_ns].map(|ns| ms(ns / 1e6));
    let of = count(parts.networks, "network");
    format!("{of}: sum of layers {sum}, timed run {timed}, plain run {plain}")
}

/// How layers and timers add up to whole networks.
fn reconciled(parts: &Reconciliation, is_fitted: bool) -> [String; 2] {
    let beside = match (parts.timer_ns > 0.0, parts.layer_ns > 0.0) {
        (true, _) => format!("{:.0} ns are subtracted from each layer", parts.timer_ns),
        (_, true) => format!("{:.0} ns are added to each layer", parts.layer_ns),
        _ => "nothing is subtracted from a layer".to_owned(),
    };
    let fitted = if is_fitted {
        format!("whole = {}", parts.form.words())
    } else {
        "nothing is fitted to so few networks".to_owned()
    };
    [sums(parts), format!("{beside} ({fitted})")]
}

/// The kinds of GPU latency in the LUT, and its precision and layout.
fn latencies(lut: &Lut) -> Result<(), Failure> {
    let header = &lut.context.header;
    if !header.precision.is_usual() || !header.layout.is_usual() {
        print(format!("{}, {}", header.precision.name(), header.layout.name()))?;
    }
    let Some(queued) = &lut.context.queued else { return Ok(()) };
    print(format!("marks between layers: {:.2} us each, subtracted from every row", queued.timer_ns / 1e3))?;
    let of = |c: &TimingCalibration| format!(", {} (left-out error {})", c.timing.name(), rough(c.leave_one_out));
    let others: String = queued.timings.iter().map(of).collect();
    print(format!("timing {}; available: queue{others}", header.timing.unwrap_or_default().name()))
}

/// How many layers and networks have an energy, and from which meters; empty if none was measured.
fn energy(lut: &Lut) -> Result<(), Failure> {
    let mut methods: BTreeMap<&str, usize> = BTreeMap::new();
    for energy in lut.rows.iter().filter_map(|row| row.energy.as_ref()) {
        *methods.entry(&energy.energy_method).or_default() += 1;
    }
    let anchors = lut.context.anchors.iter().filter(|anchor| anchor.energy.is_some()).count();
    let (layers, of, networks) = (methods.values().sum::<usize>(), lut.rows.len(), count(anchors, "whole network"));
    let from = match methods.keys().copied().collect::<Vec<_>>()[..] {
        [] => return Ok(()),
        [method] => method.to_owned(),
        // A sum over two meters would be meaningless.
        _ => {
            let each: Vec<String> = methods.iter().map(|(method, layers)| format!("{method} {layers}")).collect();
            format!("{}; networks with layers from two meters have no estimate", each.join(", "))
        }
    };
    print(format!("energy of {layers} of {of} layers and {networks}: {from}"))?;
    let range = |of: fn(&Anchor) -> Option<f64>| {
        let known = || lut.context.anchors.iter().filter_map(of);
        Some((known().reduce(f64::min)?, known().reduce(f64::max)?))
    };
    let Some((low, high)) = range(|anchor| Some(anchor.energy.as_ref()?.energy_mj)) else { return Ok(()) };
    let power = range(|anchor| anchor.power_w);
    let power = power.map_or_else(String::new, |(low, high)| format!(", at {low:.1} to {high:.1} W while they run"));
    print(format!("whole networks: {low:.4} to {high:.4} mJ a call{power}"))
}

fn layers(lut: &Lut, count: usize, by: SortColumn) -> Result<(), Failure> {
    let mut rows: Vec<&Row> = lut.rows.iter().collect();
    let time = |row: &Row| row.times.as_ref().map_or(f64::INFINITY, |t| t.mean_ns);
    let width = |row: &Row| row.times.as_ref().and_then(Times::half_width).unwrap_or(f64::INFINITY);
    rows.sort_by(|a, b| time(b).total_cmp(&time(a)));
    // Stable: among equals, the most expensive stays first.
    match by {
        SortColumn::Mean => {}
        SortColumn::Layer => rows.sort_by(|a, b| a.key.cmp(&b.key)),
        SortColumn::Half => rows.sort_by(|a, b| width(b).total_cmp(&width(a))),
        SortColumn::Flags => rows.sort_by_key(|row| std::cmp::Reverse(row.flags.len())),
    }
    let largest = rows.iter().map(|r| time(r)).filter(|t| t.is_finite()).fold(0.0, f64::max);
    let heading = format!("{} {:>11} {:>8} {:<8} flags", fit("layer", 41 + spare()), "mean", "± half", "");
    print("")?;
    print(paint(Tone::Strong, heading))?;
    let shown = if count == 0 { rows.len() } else { count.min(rows.len()) };
    for row in &rows[..shown] {
        print(line(row, largest))?;
    }
    if rows.len() > shown {
        print(paint(Tone::Faint, format!("… {} more rows; --rows 0 shows all", rows.len() - shown)))?;
    }
    legend(lut)
}

fn line(row: &Row, largest: f64) -> String {
    let key = fit_ends(row.key.as_str(), 24 + spare() / 2, 41 + spare());
    let Some(times) = &row.times else {
        let why = fit(row.error.as_deref().unwrap_or("unknown"), 28);
        return format!("{key} {}", paint(Tone::Bad, format!("FAILED: {}", why.trim_end())));
    };
    let half = times.half_width();
    let words = format!("{:>8}", half.map_or_else(|| "unknown".to_owned(), |h| format!("{:.1} %", h * 100.0)));
    // With a flag that casts doubt on the interval, even a narrow one is not good.
    let doubted = row.flags.iter().any(|flag| matches!(flag, Flag::NotConverged | Flag::Drift | Flag::Noisy));
    let tone = match half {
        Some(half) if half <= ROW_WIDTH && !doubted => Tone::Good,
        Some(_) => Tone::Doubtful,
        None => Tone::Bad,
    };
    let flags: String = row.flags.iter().map(|f| letter(*f)).collect();
    let (mean, bar) = (ms(times.mean_ns / 1e6), bar(times.mean_ns / largest, 8));
    format!("{key} {mean:>11} {} {bar} {}", paint(tone, words), paint(Tone::Doubtful, flags)).trim_end().to_owned()
}

/// A flag in one letter.
fn letter(flag: Flag) -> char {
    meaning(flag).0
}

fn meaning(flag: Flag) -> (char, &'static str) {
    match flag {
        Flag::NotConverged => ('C', "interval wider than 3 % or unknown"),
        Flag::Drift => ('D', "its share drifted: an observed range, not a confidence interval"),
        Flag::Preempted => ('P', "preempted"),
        Flag::Nonstationary => ('N', "its share changed during a session"),
        Flag::Unsettled => ('U', "never reached a steady state"),
        Flag::Inconsistent => ('I', "its share differs by more than 5 % between sessions"),
        Flag::Noisy => ('X', "measured on a noisy machine"),
        Flag::Throttled => ('S', "throttled until the session ended early"),
        Flag::PageFaults => ('F', "page faults"),
        Flag::Imported => ('T', "imported from another program's table"),
        Flag::Suspicious => ('?', "implausible, see the import"),
    }
}

/// The flag letters that occur, each with its number of layers.
fn legend(lut: &Lut) -> Result<(), Failure> {
    let mut counts: BTreeMap<Flag, usize> = BTreeMap::new();
    for flag in lut.rows.iter().flat_map(|row| &row.flags) {
        *counts.entry(*flag).or_default() += 1;
    }
    for (flag, number) in counts {
        let (letter, words) = meaning(flag);
        print(paint(Tone::Faint, format!("{letter}  {words} ({})", count(number, "layer"))))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_a_letter_of_its_own() {
        let all = [
            Flag::NotConverged,
            Flag::Drift,
            Flag::Preempted,
            Flag::Nonstationary,
            Flag::Unsettled,
            Flag::Inconsistent,
            Flag::Noisy,
            Flag::Throttled,
            Flag::PageFaults,
            Flag::Imported,
            Flag::Suspicious,
        ];
        let letters: std::collections::BTreeSet<char> = all.into_iter().map(letter).collect();
        assert_eq!(letters.len(), all.len());
    }
}
