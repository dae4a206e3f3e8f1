//! The report of a search: what it found, and how it got there.

mod alphas;
mod curves;
mod pareto;
mod run;

use maud::{Markup, html};
use nasprof_graph::{Arch, Space};
use serde_json::Value;

pub use self::run::{AlphaRow, Metric, SearchRun};
use crate::draw;
use crate::page::{Section, Statement, Verdict, headline, page, statements};
use crate::text::{ms, percent, si, significant};

/// Results that are shown first.
const HEADLINE: [Figure; 7] = [
    Figure { key: "target_ms", meaning: "target latency", show: ms },
    Figure { key: "estimated_ms", meaning: "estimated latency", show: ms },
    Figure { key: "measured.latency_ms", meaning: "measured on the device", show: ms },
    Figure { key: "accuracy", meaning: "accuracy", show: percent },
    Figure { key: "params", meaning: "parameters", show: si },
    Figure { key: "macs", meaning: "MACs", show: si },
    Figure { key: "seconds", meaning: "seconds of search", show: si },
];

/// A number of the result.
struct Figure {
    key: &'static str,
    meaning: &'static str,
    show: fn(f64) -> String,
}

/// A search as one HTML file. With its space the architecture is drawn.
#[must_use]
pub fn search_report(run: &SearchRun, name: &str, space: Option<&Space>) -> String {
    let mut sections = vec![Section::new("result", "What was found", found(run))];
    sections.extend(architecture(run, space).map(|body| Section::new("architecture", "Architecture", body)));
    if run.curves().next().is_some() {
        let body = html! { (curves::curves(run)) };
        sections.push(Section::new("curves", "How the search went", body));
    }
    sections.extend(
        pareto::pareto(run)
            .map(|body| Section::new("pareto", "Accuracy against latency", html! { div.charts { (body) } })),
    );
    sections.extend(alphas::alphas(run).map(|body| Section::new("alphas", "Probabilities over time", body)));
    sections.extend(run.config.as_ref().map(|text| Section::new("config", "Configuration", html! { pre { (text) } })));
    let space = run.arch.as_ref().map_or("", |a| a.space.as_str());
    page(&format!("Search {name}"), space, &sections)
}

fn found(run: &SearchRun) -> Markup {
    let figures: Vec<(String, &str)> =
        HEADLINE.iter().filter_map(|f| Some(((f.show)(run.number(f.key)?), f.meaning))).collect();
    html! {
        @if run.result.is_none() { p { "The search has no result yet: this is what it had when the report was made." } }
        @if !figures.is_empty() { (headline(figures)) }
        (statements(&verdicts(run)))
        @if let Some(Value::Object(all)) = &run.result {
            details {
                summary { "Everything in result.json" }
                dl.facts {
                    @for (name, value) in all { div { dt { (name) } dd { (plain(value)) } } }
                }
            }
        }
    }
}

/// What to know of the result before it is used.
fn verdicts(run: &SearchRun) -> Vec<Statement> {
    let mut all = Vec::new();
    let yes = |path: &str| run.value(path).and_then(Value::as_bool);
    match yes("feasible") {
        Some(true) => {
            all.push(Statement::new(Verdict::Good, "Within limits.", "Its estimates keep to all hard limits."))
        }
        Some(false) => all.push(Statement::new(
            Verdict::Bad,
            "Over a limit.",
            "No architecture keeps to all hard limits by the estimates.",
        )),
        None => {}
    }
    if yes("repaired") == Some(true) {
        let text = "The most probable architecture was over a limit; this is the nearest that is not.";
        all.push(Statement::new(Verdict::Doubtful, "Not the most probable.", text));
    }
    if let Some((measured, estimated)) = run.number("measured.latency_ms").zip(run.number("estimated_ms")) {
        let level = run.number("measured.level").map_or_else(String::new, |l| {
            format!(
                " The machine then took {l:.4} times what the LUT says; with that taken out {} is left.",
                percent(measured / (estimated * l) - 1.0)
            )
        });
        let off = measured / estimated - 1.0;
        let verdict = if off.abs() <= 0.05 { Verdict::Good } else { Verdict::Doubtful };
        all.push(Statement::new(
            verdict,
            "On the device.",
            format!("It took {} more than estimated.{level}", percent(off)),
        ));
    } else if run.result.is_some() {
        all.push(Statement::new(
            Verdict::Unknown,
            "Not measured.",
            "The latency is an estimate; it was not measured on the device.",
        ));
    }
    if yes("measured.noisy") == Some(true) {
        all.push(Statement::new(
            Verdict::Bad,
            "Busy machine.",
            "The machine was too noisy and was measured all the same.",
        ));
    }
    if let Some(of) = run.value("accuracy_of").and_then(Value::as_str) {
        all.push(Statement::new(Verdict::Unknown, "Accuracy.", format!("Of {of}.")));
    }
    all
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), significant),
        other => other.to_string(),
    }
}

/// Drawn where the space is known and fits, else as the list of its choices.
fn architecture(run: &SearchRun, space: Option<&Space>) -> Option<Markup> {
    let file = run.arch.as_ref()?;
    let resolved: Option<(&Space, Arch)> = space.and_then(|s| Some((s, file.resolve(&s.name, &s.choices).ok()?)));
    let picture = resolved.and_then(|(space, arch)| {
        let probabilities = last_probabilities(run, space);
        draw::architecture(space, &arch, probabilities.as_deref()).ok()
    });
    Some(html! {
        @if let Some(picture) = picture { (picture.inline()) }
        details {
            summary { "Choices of " (file.space) }
            dl.facts {
                @for (choice, candidate) in &file.choices { div { dt { (choice) } dd { (candidate) } } }
            }
        }
    })
}

/// The last probabilities of every choice of the space; `None` unless all are there.
fn last_probabilities(run: &SearchRun, space: &Space) -> Option<Vec<Vec<f64>>> {
    let last = run.alphas.iter().map(|r| r.step).fold(f64::NEG_INFINITY, f64::max);
    let of = |choice: &str, candidate: &str| {
        let row = run.alphas.iter().find(|r| r.step == last && r.choice == choice && r.candidate == candidate)?;
        Some(row.probability)
    };
    space.choices.iter().map(|c| c.candidates.iter().map(|name| of(&c.name, name)).collect()).collect()
}
