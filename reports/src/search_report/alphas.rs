//! Probabilities of the candidates over time.

use std::collections::BTreeMap;

use maud::{Markup, html};
use nasprof_base::text::percent;
use nasprof_render::charts::{Heat, Shades, heat};

use super::run::{AlphaRow, SearchRun};

/// Most steps shown, evenly spread.
const COLUMNS: usize = 12;
/// Most choices shown.
const CHOICES: usize = 60;

/// One heat map for each choice; `None` without probabilities.
pub(super) fn alphas(run: &SearchRun) -> Option<Markup> {
    let mut choices: Vec<(&str, Vec<&AlphaRow>)> = Vec::new();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &run.alphas {
        let position = *known.entry(&row.choice).or_insert_with(|| {
            choices.push((&row.choice, Vec::new()));
            choices.len() - 1
        });
        choices[position].1.push(row);
    }
    (!choices.is_empty()).then(|| {
        html! {
            p.hint { "Percent; darker is more probable, from 0 to 100 in all maps. A choice is decided when one row is \
                dark at the end, and undecided while its rows are equal." }
            div.charts { @for (name, rows) in choices.iter().take(CHOICES) { (heat(&map(name, rows))) } }
            @if choices.len() > CHOICES { p.hint { (choices.len() - CHOICES) " more choices are not shown." } }
        }
    })
}

fn map(choice: &str, rows: &[&AlphaRow]) -> Heat {
    let mut steps: Vec<f64> = rows.iter().map(|r| r.step).collect();
    steps.sort_by(f64::total_cmp);
    steps.dedup();
    let every = |i: usize| i * (steps.len() - 1) / (COLUMNS - 1);
    let shown: Vec<f64> =
        if steps.len() <= COLUMNS { steps.clone() } else { (0..COLUMNS).map(|i| steps[every(i)]).collect() };
    let mut candidates: Vec<&str> = Vec::new();
    for row in rows {
        if !candidates.contains(&row.candidate.as_str()) {
            candidates.push(&row.candidate);
        }
    }
    let cell = |candidate: &str, step: f64| {
        let row = rows.iter().find(|r| r.candidate == candidate && r.step == step)?;
        let title = format!("{candidate} at {step}: {}", percent(row.probability));
        Some((row.probability, format!("{:.1}", 100.0 * row.probability), title))
    };
    Heat {
        title: choice.to_owned(),
        row_name: "%".to_owned(),
        column_name: "step".to_owned(),
        rows: candidates.iter().map(|c| (*c).to_owned()).collect(),
        columns: shown.iter().map(ToString::to_string).collect(),
        cells: candidates.iter().map(|c| shown.iter().map(|s| cell(c, *s)).collect()).collect(),
        shades: Shades::Shares,
    }
}
