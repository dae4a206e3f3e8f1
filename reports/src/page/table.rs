//! Tables that can be sorted and searched.

use std::borrow::Cow;

use maud::{Markup, PreEscaped, html};
use nasprof_base::text::{count, cut};

/// Rows shown until a reader asks for all.
const FIRST: usize = 200;
/// Tables with at most this many rows need no search.
const FEW: usize = 10;
/// Longest text of a cell; the rest is in its tooltip.
const LONGEST: usize = 120;

/// A column.
pub(crate) struct Column {
    pub(crate) name: Cow<'static, str>,
    /// Its meaning, shown on hovering.
    pub(crate) meaning: &'static str,
    /// Whether it has numbers: aligned right, and sorted from the largest.
    pub(crate) numeric: bool,
}

impl Column {
    pub(crate) const fn text(name: &'static str, meaning: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), meaning, numeric: false }
    }

    pub(crate) const fn number(name: &'static str, meaning: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), meaning, numeric: true }
    }
}

/// A cell.
pub(crate) struct Cell {
    text: String,
    /// A note, in small print after the text.
    kind: Option<String>,
    /// Sort key, if not the text; absent values come last in both directions.
    value: Option<f64>,
    /// A bar behind the text: from 0 to 1.
    bar: Option<f64>,
    /// A range on the bar.
    range: Option<[f64; 2]>,
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: None, value: None, bar: None, range: None }
    }

    pub(crate) fn number(value: Option<f64>, show: impl Fn(f64) -> String) -> Self {
        let value = value.filter(|v| v.is_finite());
        Self { text: value.map_or_else(|| "–".to_owned(), show), kind: None, value, bar: None, range: None }
    }

    pub(crate) fn kind(self, kind: String) -> Self {
        Self { kind: Some(kind), ..self }
    }

    pub(crate) fn bar(self, share: f64) -> Self {
        Self { bar: Some(share.clamp(0.0, 1.0)), ..self }
    }

    pub(crate) fn range(self, low: f64, high: f64) -> Self {
        Self { range: Some([low.clamp(0.0, 1.0), high.clamp(0.0, 1.0)]), ..self }
    }
}

/// A table.
pub(crate) struct Table<'a> {
    /// For links and labels; unique in a page.
    pub(crate) id: &'a str,
    /// Name of a row, in singular.
    pub(crate) row: &'a str,
    pub(crate) columns: &'a [Column],
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// Draws the table in the order of its rows.
pub(crate) fn table(table: &Table<'_>) -> Markup {
    let long = table.rows.len() > FIRST;
    // A few rows need no tools.
    let tools = table.rows.len() > FEW;
    html! {
        div.table {
            @if tools { div.tools.script {
                label { "Search " input type="search" placeholder="all words must occur" data-table=(table.id); }
                output for=(table.id) { (count(table.rows.len(), table.row)) }
                @if long { button type="button" data-all=(table.id) { "Show all " (table.rows.len()) } }
            } }
            div.scroll tabindex="0" role="region" aria-label={ "Table of " (table.row) "s" } {
                style { (PreEscaped(alignment(table))) }
                table.sortable id=(table.id) data-row=(table.row) {
                    thead {
                        tr {
                            @for column in table.columns {
                                th.n[column.numeric] scope="col" title=(column.meaning) {
                                    button type="button" { (column.name) }
                                }
                            }
                        }
                    }
                    tbody.cut[long] {
                        @for row in &table.rows {
                            tr { @for cell in row { (render(cell)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Aligns numbers right, once for the table: it may have a hundred thousand cells.
fn alignment(table: &Table<'_>) -> String {
    let numeric = table.columns.iter().enumerate().filter(|(_, c)| c.numeric);
    let cells: Vec<String> = numeric.map(|(i, _)| format!("#{} td:nth-child({})", table.id, i + 1)).collect();
    if cells.is_empty() { String::new() } else { format!("{}{{text-align:right;white-space:nowrap}}", cells.join(",")) }
}

/// A number for sorting: seven digits are enough.
fn short(value: f64) -> String {
    format!("{:e}", value as f32)
}

fn render(cell: &Cell) -> Markup {
    let shown = cut(&cell.text, LONGEST);
    let whole = (shown != cell.text).then_some(cell.text.as_str());
    html! {
        td data-v=[cell.value.map(short)] title=[whole] {
            (breakable(&shown))
            @if let Some(kind) = &cell.kind { " " small { (kind) } }
            @if let Some(share) = cell.bar {
                span.meter {
                    i style={ "width:" (percent(share)) } {}
                    @if let Some([low, high]) = cell.range {
                        b style={ "left:" (percent(low)) ";width:" (percent(high - low)) } {}
                    }
                }
            }
        }
    }
}

/// Allows line breaks after commas, closing brackets and slashes only, so that `pad=1x1` stays whole.
fn breakable(text: &str) -> Markup {
    let mut parts = text.split_inclusive([',', ')', '/']).peekable();
    html! {
        @while let Some(part) = parts.next() { (part) @if parts.peek().is_some() { wbr; } }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
