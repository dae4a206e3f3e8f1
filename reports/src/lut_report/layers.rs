//! The table of all layers.

use maud::{Markup, html};
use nasprof_base::text::{bytes, ms, percent, si};
use nasprof_lut::{Lut, Row, Times};

use super::kind::Kind;
use super::trust::flag_name;
use crate::page::{Cell, Column, Table, table};

const COLUMNS: [Column; 11] = [
    Column::text("layer", "The key: operation, attributes and input shapes without the batch; below it the kind"),
    Column::number(
        "mean, ms",
        "Trimmed mean of clean samples, used by estimates. The bar is relative to the slowest layer",
    ),
    Column::number(
        "± half",
        "Relative half-width of the 95 % interval of the median over all sessions; with the flag drift, the observed \
         range",
    ),
    Column::text("flags", "Warnings about the row"),
    Column::number("between", "Largest divided by smallest session, minus one"),
    Column::number("p10 – p90, ms", "10 % and 90 % quantiles of the clean samples"),
    Column::number("samples", "Clean samples, and samples dropped because of a context switch"),
    Column::number("MACs", "Multiply-accumulates at the LUT's batch size"),
    Column::number("MACs/s", "Multiply-accumulates per second"),
    Column::number("params", "Trainable parameters"),
    Column::number("memory", "Measured peak above operands and parameters"),
];

/// Slowest first; failed layers before all others.
pub(crate) fn layers(lut: &Lut) -> Markup {
    let mut rows: Vec<&Row> = lut.rows.iter().collect();
    let time = |row: &Row| row.times.as_ref().map_or(f64::INFINITY, |t| t.mean_ns);
    rows.sort_by(|a, b| time(b).total_cmp(&time(a)));
    let slowest = rows.iter().map(|r| time(r)).filter(|t| t.is_finite()).fold(0.0, f64::max);
    let rows = rows.into_iter().map(|row| cells(row, slowest)).collect();
    html! {
        p.hint {
            "Click a heading to sort. The bar is the mean, the marks on it the interval. A layer may occur often in a \
             network or not at all; “nasprof estimate --explain” shows where a network's time goes."
        }
        (table(&Table { id: "layer-table", row: "layer", columns: &COLUMNS, rows }))
    }
}

fn cells(row: &Row, slowest: f64) -> Vec<Cell> {
    let times = row.times.as_ref();
    let unitless = |ns: f64| ms(ns / 1e6).trim_end_matches(" ms").to_owned();
    let mut mean = Cell::number(times.map(|t| t.mean_ns), unitless);
    if let Some(times) = times {
        mean = mean.bar(times.mean_ns / slowest);
        if let (Some(low), Some(high)) = (times.ci_low_ns, times.ci_high_ns) {
            mean = mean.range(low / slowest, high / slowest);
        }
    }
    let middle = times.and_then(|t| t.p10_ns.zip(t.p90_ns));
    let whole = |value: u64| Cell::number(Some(value as f64), si);
    let samples = |t: &Times| match t.n_dropped {
        0 => t.n_samples.to_string(),
        dropped => format!("{} (−{dropped})", t.n_samples),
    };
    // A flag of two words stays on one line.
    let flags: Vec<String> = row.flags.iter().map(|f| flag_name(*f).replace(' ', "\u{a0}")).collect();
    let notes = row.error.as_ref().map_or_else(|| flags.join(", "), |error| format!("FAILED: {error}"));
    vec![
        Cell::text(row.key.as_str()).kind(Kind::of(row).name),
        mean,
        Cell::number(times.and_then(Times::half_width), |w| format!("{:.1} %", w * 100.0)),
        Cell::text(notes),
        Cell::number(times.and_then(Times::between), percent),
        Cell::number(middle.map(|(p10, _)| p10), |p10| {
            middle.map_or_else(String::new, |(_, p90)| format!("{} – {}", unitless(p10), unitless(p90)))
        }),
        Cell::number(times.map(|t| t.n_samples as f64), |_| times.map_or_else(String::new, samples)),
        whole(row.macs),
        Cell::number(times.filter(|_| row.macs > 0).map(|t| row.macs as f64 / t.mean_ns * 1e9), si),
        whole(row.params),
        Cell::number(row.peak_memory_bytes.map(|b| b as f64), bytes),
    ]
}
