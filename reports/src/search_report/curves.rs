//! Curves of a search, one chart for each quantity.

use maud::{Markup, html};
use nasprof_render::charts::{Line, lines};

use super::run::{Metric, SearchRun};
use crate::page::figure;

/// Quantities, each with the words in names of its columns, in the order of their charts.
const QUANTITIES: [(&str, &[&str]); 5] = [
    ("Loss", &["loss"]),
    ("Error and accuracy", &["error", "acc"]),
    ("Multiplier of the constraint", &["multiplier"]),
    (LATENCY, &["latency"]),
    ("Entropy of the choices", &["entropy"]),
];
const LATENCY: &str = "Latency against its target, ms";

/// All charts.
pub(super) fn curves(run: &SearchRun) -> Markup {
    let (step, steps) = run.steps();
    let mut groups: Vec<(String, Vec<&Metric>)> = Vec::new();
    for metric in run.curves() {
        let name = quantity(&metric.name);
        match groups.iter_mut().find(|g| g.0 == name) {
            Some(group) => group.1.push(metric),
            None => groups.push((name, vec![metric])),
        }
    }
    let place = |name: &str| QUANTITIES.iter().position(|q| q.0 == name).unwrap_or(QUANTITIES.len());
    groups.sort_by_key(|g| place(&g.0));
    html! {
        div.charts {
            @for (name, metrics) in &groups {
                @let curves: Vec<Line> = metrics.iter().map(|m| line(m, &steps)).chain(target(run, name, &steps)).collect();
                (figure(&format!("{name}."), &last(metrics), &lines(name, &step, "", &curves)))
            }
        }
    }
}

fn quantity(column: &str) -> String {
    let lower = column.to_lowercase();
    let known = QUANTITIES.iter().find(|(_, words)| words.iter().any(|w| lower.contains(w)));
    known.map_or_else(|| capitalised(&column.replace('_', " ")), |(name, _)| (*name).to_owned())
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn line(metric: &Metric, steps: &[f64]) -> Line {
    Line {
        name: metric.name.clone(),
        points: steps.iter().copied().zip(metric.values.iter().copied()).collect(),
        limit: false,
    }
}

/// The result's target as a horizontal line.
fn target(run: &SearchRun, name: &str, steps: &[f64]) -> Option<Line> {
    let target = run.result.as_ref()?.latency().target_ms.filter(|_| name == LATENCY)?;
    Some(Line { name: "target".to_owned(), points: steps.iter().map(|s| (*s, target)).collect(), limit: true })
}

/// The last values in words.
fn last(metrics: &[&Metric]) -> String {
    let parts: Vec<String> = metrics
        .iter()
        .filter_map(|m| {
            Some(format!("{} {}", m.name, nasprof_base::text::significant(*m.values.iter().rfind(|v| v.is_finite())?)))
        })
        .collect();
    format!("Last: {}.", parts.join(", "))
}
