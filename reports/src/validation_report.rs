//! The report of a validation: the error of predictions.

use maud::{Markup, html};
use nasprof_base::text::{ms, percent, rough};
use nasprof_lut::{Lut, Validation, ValidationRow};
use nasprof_render::charts::{Guide, Point, Scatter, histogram, scatter};
use nasprof_spaces::Space;

use crate::network::{Breakdown, breakdown};
use crate::page::{Cell, Column, Section, Statement, Table, Verdict, figure, headline, page, statements, table};

/// Relative widths of the bands that are drawn and counted.
const BANDS: [f64; 3] = [0.02, 0.05, 0.10];
/// Number of networks whose latency is broken down.
const TAKEN_APART: usize = 5;

/// A validation as one HTML file. With its LUT and its space, the report also says where the time of some networks
/// goes.
#[must_use]
pub fn validation_report(result: &Validation, name: &str, with: Option<(&Lut, &Space)>) -> String {
    let errors = result.errors();
    let mut sections = vec![
        Section::new("error", "How far off are the estimates?", summary(result, &errors)),
        Section::new("scatter", "Predicted against measured", charts(result, &errors)),
    ];
    if let Some((lut, space)) = with {
        sections.push(Section::new(
            "breakdown",
            "Where the time of networks goes",
            breakdowns(result, &errors, lut, space),
        ));
    }
    sections.push(Section::new("networks", "All networks", networks(result, &errors)));
    let space = result.rows.first().map_or("no networks", |r| r.arch.space.as_str());
    page(&format!("Validation {name}"), &format!("{} new networks of {space}", result.n), &sections)
}

fn within(errors: &[f64], limit: f64) -> usize {
    errors.iter().filter(|e| e.abs() <= limit).count()
}

fn summary(result: &Validation, errors: &[f64]) -> Markup {
    let rank = result.spearman.map_or_else(|| "–".to_owned(), |r| format!("{r:.3}"));
    let mut figures = vec![
        (rough(result.mape), "mean absolute error after dividing by the level"),
        (rough(result.raw_mape), "mean absolute error before dividing by the level"),
    ];
    figures.extend(result.noise_floor.map(|noise| (rough(noise), "noise floor of the measured times")));
    figures.extend(BANDS.map(|band| {
        let meaning = match band {
            0.02 => "networks within 2 %",
            0.05 => "within 5 %",
            _ => "within 10 %",
        };
        (format!("{} of {}", within(errors, band), errors.len()), meaning)
    }));
    figures.push((rank, "rank correlation (Spearman)"));
    html! { (headline(figures)) (statements(&verdicts(result, errors))) }
}

fn verdicts(result: &Validation, errors: &[f64]) -> Vec<Statement> {
    let mut all = Vec::new();
    all.push(match (result.level, result.level_interval) {
        (Some(level), interval) => {
            let range = interval.map_or_else(String::new, |[l, h]| format!(" ({l:.3} to {h:.3})"));
            let text = format!(
                "The anchors took {level:.3}{range} times their latency in the LUT. This factor is the machine's \
                 current level. All errors below are computed after dividing by the level; without this correction, \
                 the error is {}.",
                rough(result.raw_mape)
            );
            let verdict = if (level - 1.0).abs() <= 0.02 { Verdict::Good } else { Verdict::Doubtful };
            Statement::new(verdict, "Level.", text)
        }
        (None, _) => Statement::new(
            Verdict::Unknown,
            "Level.",
            "The LUT has no anchors, so level and relative error \
            are not separated.",
        ),
    });
    let verdict = match result.bias.abs() {
        bias if bias <= 0.01 => Verdict::Good,
        bias if bias <= 0.03 => Verdict::Doubtful,
        _ => Verdict::Bad,
    };
    let direction = if result.bias < 0.0 { "too fast" } else { "too slow" };
    all.push(Statement::new(
        verdict,
        "Bias.",
        format!("On average estimates are {} {direction}.", rough(result.bias.abs())),
    ));
    if let Some(covered) = result.covered {
        let verdict = if covered >= 0.9 { Verdict::Good } else { Verdict::Bad };
        let text = format!(
            "{:.0} % of the measurements lie within the 95 % interval of their estimate. All measurements share the \
             level of this session, so the level counts as one sample, not as {}.",
            100.0 * covered,
            result.rows.len()
        );
        all.push(Statement::new(verdict, "Intervals.", text));
    }
    if let Some(isolated) = result.isolated_mape {
        let text = format!("A LUT of isolated layers is off by {}.", rough(isolated));
        all.push(Statement::new(Verdict::Unknown, "For comparison.", text));
    }
    if let Some(worst) = errors.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())) {
        let verdict = if worst.abs() <= 0.05 { Verdict::Good } else { Verdict::Doubtful };
        all.push(Statement::new(verdict, "Worst.", format!("The worst network is off by {}.", signed(worst))));
    }
    all
}

fn signed(error: f64) -> String {
    format!("{}{}", sign(error), percent(error.abs()))
}

fn sign(error: f64) -> char {
    if error < 0.0 { '−' } else { '+' }
}

fn charts(result: &Validation, errors: &[f64]) -> Markup {
    let factor = result.factor();
    let points: Vec<Point> = result
        .rows
        .iter()
        .zip(errors)
        .enumerate()
        .map(|(i, (row, error))| {
            let (measured, estimated) = (row.measured_ms, row.estimated_ms * factor);
            let title = format!(
                "network {}\nmeasured {}\nestimated {} ({})",
                i + 1,
                ms(measured),
                ms(estimated),
                signed(*error)
            );
            Point { x: measured, y: estimated, group: 0, title }
        })
        .collect();
    let (low, high) =
        points.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), p| (l.min(p.x.min(p.y)), h.max(p.x.max(p.y))));
    let plot = Scatter {
        title: "Predicted against measured latency",
        x_name: "measured, ms",
        y_name: "estimate × level, ms",
        logarithmic: false,
        square: true,
        groups: Vec::new(),
        points,
        guides: bands(low, high),
    };
    let percents: Vec<f64> = errors.iter().map(|e| e * 100.0).collect();
    html! {
        div.charts {
            (figure("Scatter.", "Each mark is a network that the LUT never saw. On the solid line the estimate is right; the dashed lines are 2, 5 and 10 % off.", &scatter(&plot)))
            (figure("Errors.", "Left of zero the estimate is too fast, right of it too slow.",
                &histogram("Histogram of relative errors", "estimated / measured − 1, %", &percents)))
        }
    }
}

/// The diagonal, and for each band a line on either side of it.
fn bands(low: f64, high: f64) -> Vec<Guide> {
    let margin = (high - low) * 0.08;
    let steps = 200;
    let xs = move || {
        (0..=steps).map(move |i| (low - margin) + (high - low + 2.0 * margin) * f64::from(i) / f64::from(steps))
    };
    let line = |error: f64| Guide {
        points: xs().map(|x| (x, x * (1.0 + error))).collect(),
        label: if error == 0.0 { String::new() } else { format!("{}{:.0} %", sign(error), 100.0 * error.abs()) },
        at_end: true,
        dashed: error != 0.0,
    };
    let mut guides = vec![line(0.0)];
    guides.extend(BANDS.iter().flat_map(|band| [line(*band), line(-band)]));
    guides
}

const COLUMNS: [Column; 6] = [
    Column::text("network", "Number in sampling order, and the architecture"),
    Column::number("measured", "Trimmed mean of the clean runs"),
    Column::number("± half", "Relative half-width of the measurement's interval"),
    Column::number("estimated", "Estimate multiplied by the level"),
    Column::number("error", "Estimated divided by measured, minus one"),
    Column::number("|error|", "Absolute value of the error"),
];

fn networks(result: &Validation, errors: &[f64]) -> Markup {
    let mut order: Vec<usize> = (0..result.rows.len()).collect();
    order.sort_by(|&a, &b| errors[b].abs().total_cmp(&errors[a].abs()));
    let worst = errors.iter().map(|e| e.abs()).fold(1e-9, f64::max);
    let rows = order.into_iter().map(|i| {
        let (row, error) = (&result.rows[i], errors[i]);
        vec![
            Cell::text(format!("{}: {}", i + 1, selection(row))),
            Cell::number(Some(row.measured_ms), ms),
            Cell::number(row.ci.filter(|ci| ci[0] > 0.0).map(|[l, h]| 0.5 * (h / l).ln()), percent),
            Cell::number(Some(row.estimated_ms * result.factor()), ms),
            Cell::number(Some(error), signed),
            Cell::number(Some(error.abs()), percent).bar(error.abs() / worst),
        ]
    });
    table(&Table { id: "network-table", row: "network", columns: &COLUMNS, rows: rows.collect() })
}

/// The candidates, `blocks/2` before `blocks/10`.
fn selection(row: &ValidationRow) -> String {
    let mut choices: Vec<(&String, &String)> = row.arch.choices.iter().collect();
    choices.sort_by_key(|(name, _)| (name.rsplit_once('/').map(|n| n.0), name.len(), *name));
    choices.into_iter().map(|(choice, candidate)| format!("{choice} {candidate}")).collect::<Vec<_>>().join(", ")
}

/// The networks with the largest errors.
fn breakdowns(result: &Validation, errors: &[f64], lut: &Lut, space: &Space) -> Markup {
    let mut order: Vec<usize> = (0..result.rows.len()).collect();
    order.sort_by(|&a, &b| errors[b].abs().total_cmp(&errors[a].abs()));
    html! {
        p.hint { "The " (TAKEN_APART.min(order.len())) " networks with the largest errors, explained with the LUT." }
        @for (place, &i) in order.iter().take(TAKEN_APART).enumerate() {
            @let row = &result.rows[i];
            details open[place == 0] {
                summary { "Network " (i + 1) ": measured " (ms(row.measured_ms)) ", error " (signed(errors[i])) }
                @match Breakdown::of(space, &row.arch, lut) {
                    Ok(parts) => (breakdown(&parts, &format!("network-{i}"))),
                    Err(problem) => p { "It cannot be explained: " (problem) },
                }
            }
        }
        @if result.rows.is_empty() { p { "There are no networks." } }
    }
}
