//! The quality of a LUT: one statement for each thing that can be wrong.

use std::collections::BTreeMap;

use Verdict::{Bad, Doubtful, Good, Unknown};
use maud::{Markup, html};
use nasprof_base::statistics::{median, quantile};
use nasprof_base::text::{count, cut, percent, rough};
use nasprof_lut::{Flag, Lut, Times, check};
use nasprof_profiler::engine::ROW_WIDTH;
use nasprof_profiler::journal::Mode;

use crate::page::{Statement, Verdict, facts, statements};

/// Half of the difference between sessions that a LUT flags: above it the report warns.
const SESSIONS_DIFFER: f64 = 0.025;
/// The canaries' spread above which the report warns of drift.
const DRIFT: f64 = 0.005;

/// The trust panel.
pub(crate) fn trust(lut: &Lut) -> Markup {
    let mut all =
        vec![gate(lut), clocks(lut), convergence(lut), drift(lut), between(lut), failures(lut), plausible(lut)];
    all.extend([calibration(lut), truth(lut)]);
    html! {
        (statements(&all))
        (flags(lut))
    }
}

/// The context in which the numbers are valid.
pub(crate) fn context(lut: &Lut) -> Markup {
    let header = &lut.context.header;
    let mode = mode_name(header.mode).to_owned();
    let cores: Vec<String> = header.cores.iter().map(ToString::to_string).collect();
    let asked = [
        ("device", header.device.clone()),
        ("back end", header.backend.clone()),
        ("space", header.space.clone()),
        ("batch", header.batch.to_string()),
        ("threads", header.threads.to_string()),
        ("pinned to cores", if cores.is_empty() { "none".to_owned() } else { cores.join(", ") }),
        ("allocator", header.allocator.name().to_owned()),
        ("timed", mode),
        ("seed", header.seed.to_string()),
        ("nasprof", header.program_version.clone()),
    ];
    let found = lut.context.facts.iter().filter(|(name, _)| *name != "cores");
    let found: Vec<(String, &String)> = found.map(|(name, value)| (name.replace('_', " "), value)).collect();
    let found = found.iter().map(|(name, value)| (name.as_str(), (*value).clone()));
    facts(asked.into_iter().chain(found))
}

/// Where layers were timed, in words.
#[must_use]
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::InContext => "inside running networks",
        Mode::Isolated => "each layer alone",
        Mode::Whole => "whole networks",
    }
}

fn gate(lut: &Lut) -> Statement {
    let mut bad: Vec<&str> = lut.context.sessions.iter().flat_map(|s| &s.bad_probes).map(String::as_str).collect();
    bad.sort_unstable();
    bad.dedup();
    if bad.is_empty() {
        return Statement::new(Good, "Quiet machine.", "The machine passed the gate before every session.");
    }
    Statement::new(Bad, "Busy machine.", format!("Measured on a busy machine: {}.", bad.join(", ")))
}

fn clocks(lut: &Lut) -> Statement {
    let fact = |name: &str| lut.context.facts.get(name).map(String::as_str);
    let (governor, boost) = (fact("governor"), fact("boost"));
    let seen = |value: Option<&str>| value.is_some_and(|v| v != "not observable");
    if !seen(governor) && !seen(boost) {
        let text = "The clocks are not observable, so they may not have been fixed. Virtual machines rarely show \
            clocks.";
        return Statement::new(Unknown, "Clocks.", text);
    }
    let verdict = if governor == Some("performance") { Good } else { Doubtful };
    let text =
        format!("Governor {}, boost {}.", governor.unwrap_or("not observable"), boost.unwrap_or("not observable"));
    Statement::new(verdict, "Clocks.", text)
}

fn convergence(lut: &Lut) -> Statement {
    let measured: Vec<_> = lut.rows.iter().filter(|r| r.times.is_some()).collect();
    let wide = measured.iter().filter(|r| r.flags.contains(&Flag::NotConverged)).count();
    let wanted = rough(ROW_WIDTH);
    if measured.is_empty() {
        return Statement::new(Bad, "Convergence.", "No layer was measured.");
    }
    let (verdict, text) = match wide {
        0 => (Good, format!("Every layer's interval is within ± {wanted}.")),
        _ => {
            let verdict = if wide * 2 > measured.len() { Bad } else { Doubtful };
            (verdict, format!("{wide} of {} stayed wider than ± {wanted}.", count(measured.len(), "layer")))
        }
    };
    let rounds: Vec<String> =
        lut.context.sessions.iter().map(|s| format!("{} rounds ({})", s.rounds, s.reason.name())).collect();
    Statement::new(verdict, "Convergence.", format!("{text} Sessions: {}.", rounds.join("; ")))
}

fn drift(lut: &Lut) -> Statement {
    let spreads: Vec<[f64; 2]> = lut.context.sessions.iter().map(|s| s.canary_spread).collect();
    let most = |i: usize| spreads.iter().map(|s| s[i]).fold(0.0, f64::max);
    let (compute, memory) = (most(0), most(1));
    let text = format!(
        "The canaries spread by up to {} (compute) and {} (memory) beyond their own noise.",
        percent(compute),
        percent(memory)
    );
    if compute.max(memory) <= DRIFT {
        return Statement::new(Good, "Steady machine.", text);
    }
    let meaning = "The machine's speed drifted. The drift that all layers share is divided out of their times and \
        included in the level's interval.";
    let shares = lut.rows.iter().filter(|row| row.flags.contains(&Flag::Drift)).count();
    let of_shares = match shares {
        0 => String::new(),
        _ => format!(" In addition, the share of {} drifted.", count(shares, "layer")),
    };
    Statement::new(Doubtful, "Drift.", format!("{text} {meaning}{of_shares}"))
}

fn between(lut: &Lut) -> Statement {
    let spreads: Vec<f64> = lut.rows.iter().filter_map(|r| r.times.as_ref()?.between()).collect();
    let (Some(middle), Some(high)) = (median(&spreads), quantile(&spreads, 0.95)) else {
        let text = "There is only one session, so the difference between processes is unknown.";
        return Statement::new(Unknown, "Between sessions.", text);
    };
    let worst = lut.rows.iter().filter_map(|r| Some((r.times.as_ref().and_then(Times::between)?, r)));
    let worst = worst.max_by(|a, b| a.0.total_cmp(&b.0));
    let worst = worst.map_or_else(String::new, |(value, row)| {
        format!(" The largest is {} ({}).", percent(value), cut(row.key.as_str(), 60))
    });
    let verdict = if high <= SESSIONS_DIFFER { Good } else { Doubtful };
    let text = format!(
        "Fresh processes differ by {} for the median layer, {} for 95 % of layers.{worst}",
        percent(middle),
        percent(high)
    );
    Statement::new(verdict, "Between sessions.", text)
}

fn failures(lut: &Lut) -> Statement {
    let failed: Vec<_> = lut.rows.iter().filter(|r| r.times.is_none()).collect();
    match failed.first() {
        None => Statement::new(Good, "Complete.", format!("All {} have a latency.", count(lut.rows.len(), "layer"))),
        Some(first) => {
            let why = cut(first.error.as_deref().unwrap_or("unknown"), 100);
            let text = format!(
                "{} without a latency; networks with such a layer get no estimate. The first: {}: {why}.",
                count(failed.len(), "layer"),
                cut(first.key.as_str(), 60)
            );
            Statement::new(Bad, "Failed layers.", text)
        }
    }
}

fn plausible(lut: &Lut) -> Statement {
    let findings = check(lut);
    match findings.first() {
        None => Statement::new(Good, "Plausible.", "No entry looks copied, filled in or rounded."),
        Some(first) => {
            let about = first.key.as_ref().map_or("the LUT", |k| k.as_str());
            let text = format!(
                "{}; “nasprof lut check” lists them. The first: {} {}.",
                count(findings.len(), "suspicious entry").replace("entrys", "entries"),
                cut(about, 60),
                first.problem
            );
            Statement::new(Bad, "Suspicious.", text)
        }
    }
}

fn calibration(lut: &Lut) -> Statement {
    let Some(c) = &lut.context.calibration else {
        let text = "No calibration from whole networks: estimates are plain sums without an interval.";
        return Statement::new(Doubtful, "Not calibrated.", text);
    };
    let text = format!(
        "Sums of layers are multiplied by {:.3}, fitted to {} measured whole; the leave-one-out error is {} (root mean \
         square). The 95 % intervals are ± {} for the relative error between networks and ± {} for the level of \
         another session.",
        c.scale,
        count(c.networks, "measured network"),
        rough(c.leave_one_out),
        rough(c.shape_half_width),
        rough(c.level_half_width)
    );
    let verdict = if c.shape_half_width.hypot(c.level_half_width) <= 0.05 { Good } else { Doubtful };
    Statement::new(verdict, "Calibrated.", text)
}

fn truth(lut: &Lut) -> Statement {
    let space = &lut.context.header.space;
    let text = format!(
        "A LUT does not contain its error for new networks. “nasprof validate --space {space} …” measures it, and \
         “nasprof report” shows the result."
    );
    Statement::new(Unknown, "Validation.", text)
}

/// The flags that rows carry, with what each means.
fn flags(lut: &Lut) -> Markup {
    let mut counts: BTreeMap<Flag, usize> = BTreeMap::new();
    for flag in lut.rows.iter().flat_map(|r| &r.flags) {
        *counts.entry(*flag).or_default() += 1;
    }
    html! {
        @if !counts.is_empty() {
            h3 { "Flags of layers" }
            dl.facts {
                @for (flag, number) in &counts {
                    div { dt { (flag_name(*flag)) " (" (count(*number, "layer")) ")" } dd { (meaning(*flag)) } }
                }
            }
        }
    }
}

/// A flag as tables show it.
pub(crate) fn flag_name(flag: Flag) -> String {
    flag.name().replace('_', " ")
}

fn meaning(flag: Flag) -> &'static str {
    match flag {
        Flag::NotConverged => "the interval is wider than 3 % or unknown",
        Flag::Drift => {
            "the layer's share of its networks drifted: the interval is the observed range, not a confidence interval"
        }
        Flag::Preempted => "fewer than half of the samples were free of context switches",
        Flag::Nonstationary => "the layer's share changed during a session",
        Flag::Unsettled => "the warm-up never reached a steady state",
        Flag::Inconsistent => "the layer's share differs by more than 5 % between sessions",
        Flag::Noisy => "measured on a busy machine",
        Flag::Throttled => "a session ended early: the device was throttled and pauses did not help",
        Flag::PageFaults => "more than a tenth of the runs had page faults",
        Flag::Imported => "imported from another program's table; its measurement method is unknown",
        Flag::Suspicious => "the imported value is implausible",
    }
}
