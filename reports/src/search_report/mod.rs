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
use crate::page::{Section, headline, page};
use crate::text::{ms, percent, si, significant};

/// Results that are shown first.
const HEADLINE: [Figure; 7] = [
    Figure { key: "target", meaning: "target latency", show: ms },
    Figure { key: "estimated", meaning: "estimated latency", show: ms },
    Figure { key: "measured", meaning: "measured on the device", show: ms },
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
