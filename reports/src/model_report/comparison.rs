//! Profiles compared: plain runs, operators, and kernel by kernel.

use std::collections::BTreeMap;

use maud::{Markup, html};
use nasprof_base::text::{count, ms};
use nasprof_lut::{Likeness, ModelDiff, TimeDiff, model_diff};
use nasprof_profiler::model_profile::{KernelPart, ModelProfile};

use super::{by, context, subject};
use crate::page::{Cell, Column, Section, Table, page, side_by_side, table};

/// Several profiles as one HTML file; the others are compared with the first.
#[must_use]
pub fn model_comparison(profiles: &[(String, ModelProfile)]) -> String {
    let Some((first, others)) = profiles.split_first() else {
        return page("Comparison", "no profiles", &[]);
    };
    let diffs: Vec<(&str, ModelDiff)> =
        others.iter().map(|(name, profile)| (name.as_str(), model_diff(&first.1, profile))).collect();
    let names: Vec<&str> = profiles.iter().map(|(name, _)| name.as_str()).collect();
    let sections = [
        Section::new("summary", "How do they differ?", summary(first, &diffs)),
        Section::new("operators", "By operator", operators(profiles)),
        Section::new("kernels", "All kernels", kernels(&first.0, &diffs)),
        Section::new("context", "Contexts", contexts(profiles)),
    ];
    page(&format!("{} compared", count(profiles.len(), "profile")), &names.join(" · "), &sections)
}

const SUMMARY: [Column; 8] = [
    Column::text("profile", "Compared with the first"),
    Column::number("one run", "A plain run"),
    Column::number("of the first", "A plain run of the first"),
    Column::number("ratio", "Relative to the first, with its 95 % interval"),
    Column::number("sum ratio", "Sum of the kernels, relative to the first"),
    Column::number("common kernels", "Kernels in both"),
    Column::number("factor", "Median ratio of the common kernels"),
    Column::number("only in one", "Kernels in only one of the two"),
];

fn summary(first: &(String, ModelProfile), diffs: &[(&str, ModelDiff)]) -> Markup {
    let row = |(name, diff): &(&str, ModelDiff)| {
        let whole = diff.whole.as_ref();
        vec![
            Cell::text(*name),
            Cell::number(whole.map(|time| time.after_ms), ms),
            Cell::number(whole.map(|time| time.before_ms), ms),
            ratio(whole),
            Cell::number(diff.sum.ratio, |ratio| format!("× {ratio:.3}")),
            Cell::number(Some(diff.kernels.len() as f64), |v| v.to_string()),
            Cell::number(diff.level, |v| format!("× {v:.3}")),
            Cell::number(Some((diff.only_before.len() + diff.only_after.len()) as f64), |v| v.to_string()),
        ]
    };
    html! {
        p { "Compared with " strong { (first.0) } ": " (subject(&first.1)) "." }
        (table(&Table { id: "summary-table", row: "profile", columns: &SUMMARY, rows: diffs.iter().map(row).collect() }))
    }
}

fn ratio(time: Option<&TimeDiff>) -> Cell {
    Cell::number(time.and_then(|time| time.ratio), |ratio| {
        let interval = time.and_then(|time| time.ratio_interval);
        let interval = interval.map_or_else(String::new, |[low, high]| format!(" ({low:.3} to {high:.3})"));
        format!("× {ratio:.3}{interval}")
    })
}

/// Milliseconds and number of kernels of an operator in each profile.
type Times = Vec<Option<(f64, usize)>>;

/// If runtimes fuse differently, kernels have no partner, but operators can still be compared.
fn operators(profiles: &[(String, ModelProfile)]) -> Markup {
    let mut times: BTreeMap<String, Times> = BTreeMap::new();
    for (i, (_, profile)) in profiles.iter().enumerate() {
        for part in by(profile, |kernel| &kernel.operator) {
            times.entry(part.name).or_insert_with(|| vec![None; profiles.len()])[i] = Some((part.ms, part.count));
        }
    }
    let most = |row: &[Option<(f64, usize)>]| row.iter().flatten().map(|(ms, _)| *ms).fold(0.0, f64::max);
    let mut rows: Vec<(String, Times)> = times.into_iter().collect();
    rows.sort_by(|(_, a), (_, b)| most(b).total_cmp(&most(a)));
    let largest = rows.first().map_or(0.0, |(_, row)| most(row)).max(f64::MIN_POSITIVE);
    let mut columns = vec![Column::text("operator", "Name in the runtime")];
    columns.extend(
        profiles
            .iter()
            .map(|(name, _)| Column { name: name.clone().into(), ..Column::number("", "Sum of its kernels") }),
    );
    let cell = |time: &Option<(f64, usize)>| match time {
        Some((time, kernels)) => Cell::number(Some(*time), ms).kind(count(*kernels, "kernel")).bar(time / largest),
        None => Cell::number(None, ms),
    };
    let row = |(name, times): &(String, Times)| {
        std::iter::once(Cell::text(name.as_str())).chain(times.iter().map(cell)).collect()
    };
    table(&Table { id: "operator-table", row: "operator", columns: &columns, rows: rows.iter().map(row).collect() })
}

/// One line for each kernel and profile but the first: the largest differences first, then kernels of only one profile.
fn kernels(first: &str, diffs: &[(&str, ModelDiff)]) -> Markup {
    let columns = [
        Column::text("kernel", "Name of the node, with the operator below"),
        Column::text("profile", "Name of the profile, and how the kernel was matched"),
        Column::number("time", "In that profile"),
        Column { name: format!("in {first}").into(), ..Column::number("", "In the first profile") },
        Column::number("difference, ms", "Difference to the first profile"),
        Column::number("ratio", "Relative to the first profile, with its 95 % interval"),
    ];
    let mut rows: Vec<(bool, f64, Vec<Cell>)> = Vec::new();
    for (name, diff) in diffs {
        for kernel in &diff.kernels {
            let operator = if kernel.operator == kernel.after_operator {
                kernel.operator.clone()
            } else {
                format!("{} in the first, {} here", kernel.operator, kernel.after_operator)
            };
            let found = match kernel.likeness {
                Likeness::All => Cell::text(*name),
                Likeness::Name => Cell::text(*name).kind("matched by name".to_owned()),
                Likeness::Work => Cell::text(*name).kind(format!("matched with {} by computation", kernel.after_name)),
            };
            let time = &kernel.time;
            let cells = vec![
                Cell::text(kernel.name.as_str()).kind(operator),
                found,
                Cell::number(Some(time.after_ms), ms),
                Cell::number(Some(time.before_ms), ms),
                Cell::number(Some(time.after_ms - time.before_ms), |value| format!("{value:+.4}")),
                ratio(Some(time)),
            ];
            rows.push((false, time.change(), cells));
        }
        let alone = |part: &KernelPart, of: String, here: bool| {
            let time = |shown: bool| Cell::number(shown.then_some(part.time.ms), ms);
            let kernel = Cell::text(part.kernel.name.as_str()).kind(part.kernel.operator.clone());
            let none = || Cell::number(None, ms);
            vec![kernel, Cell::text(of), time(here), time(!here), none(), none()]
        };
        rows.extend(diff.only_after.iter().map(|part| (true, part.time.ms, alone(part, format!("only {name}"), true))));
        rows.extend(
            diff.only_before.iter().map(|part| (true, part.time.ms, alone(part, format!("not {name}"), false))),
        );
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let rows = rows.into_iter().map(|(_, _, row)| row).collect();
    table(&Table { id: "kernel-table", row: "kernel", columns: &columns, rows })
}

fn contexts(profiles: &[(String, ModelProfile)]) -> Markup {
    let each: Vec<BTreeMap<&str, String>> =
        profiles.iter().map(|(_, profile)| context(profile).into_iter().collect()).collect();
    let mut names: Vec<&str> = Vec::new();
    for name in profiles.iter().flat_map(|(_, profile)| context(profile)).map(|(name, _)| name) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let row = |name| (name, each.iter().map(move |of| of.get(name).map_or("–", String::as_str)).collect());
    let files: Vec<&str> = profiles.iter().map(|(name, _)| name.as_str()).collect();
    side_by_side(&files, names.into_iter().map(row))
}
