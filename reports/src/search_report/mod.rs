//! The report of a search: its result and its progress.

mod alphas;
mod curves;
mod pareto;
mod result;
mod run;

use maud::{Markup, html};
use nasprof_base::text::significant;
use nasprof_graph::Arch;
use nasprof_render::diagram;
use nasprof_spaces::Space;
use serde_json::Value;

use crate::page::{Section, headline, page, statements};

pub use self::run::{AlphaRow, Metric, SearchRun};

/// A search or a training as one HTML file. If the space is given, the architecture is drawn.
#[must_use]
pub fn search_report(run: &SearchRun, name: &str, space: Option<&Space>) -> String {
    let (kind, course) = match run.is_training() {
        true => ("Training", "How the training went"),
        false => ("Search", "How the search went"),
    };
    let mut sections = vec![Section::new("result", "Result", found(run))];
    sections.extend(architecture(run, space).map(|body| Section::new("architecture", "Architecture", body)));
    if run.curves().next().is_some() {
        let body = html! { (curves::curves(run)) };
        sections.push(Section::new("curves", course, body));
    }
    sections.extend(
        pareto::pareto(run).map(|(title, body)| Section::new("pareto", title, html! { div.charts { (body) } })),
    );
    sections.extend(alphas::alphas(run).map(|body| Section::new("alphas", "Probabilities over time", body)));
    sections.extend(
        run.config.as_ref().map(|text| Section::new("config", "Configuration", html! { pre tabindex="0" { (text) } })),
    );
    let space = run.arch.as_ref().map_or("", |a| a.space.as_str());
    page(&format!("{kind} {name}"), space, &sections)
}

fn found(run: &SearchRun) -> Markup {
    let figures = result::headline_figures(run);
    html! {
        @if run.result.is_none() { p { "The run has no result yet; this report shows its state so far." } }
        @if run.result.is_some() && !run.is_verified {
            p { strong { "Not verified: " } "the run has no checksums (run.sha256), so this result may have been changed." }
        }
        @if !figures.is_empty() { (headline(figures)) }
        (statements(&result::verdicts(run)))
        @if let Some(Ok(Value::Object(all))) = run.result.as_ref().map(serde_json::to_value) {
            details {
                summary { "Everything in result.json" }
                dl.facts {
                    @for (name, value) in &all { div { dt { (name) } dd { (plain(value)) } } }
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

/// A picture if the space is known and fits, else the list of its choices.
fn architecture(run: &SearchRun, space: Option<&Space>) -> Option<Markup> {
    let file = run.arch.as_ref()?;
    let resolved: Option<(&Space, Arch)> = space.and_then(|s| Some((s, file.resolve(&s.name, &s.choices).ok()?)));
    let picture = resolved.and_then(|(space, arch)| {
        let probabilities = last_probabilities(run, space);
        diagram::architecture(space, &arch, probabilities.as_deref()).ok()
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

/// The last probabilities of every choice of the space; `None` unless all of them are there.
fn last_probabilities(run: &SearchRun, space: &Space) -> Option<Vec<Vec<f64>>> {
    let last = run.alphas.iter().map(|r| r.step).fold(f64::NEG_INFINITY, f64::max);
    let of = |choice: &str, candidate: &str| {
        let row = run.alphas.iter().find(|r| r.step == last && r.choice == choice && r.candidate == candidate)?;
        Some(row.probability)
    };
    space.choices.iter().map(|c| c.candidates.iter().map(|name| of(&c.name, name)).collect()).collect()
}
