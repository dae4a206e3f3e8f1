//! Strip charts: a row of marks for each group shows the spread of a quantity.

use maud::{Markup, html};
use nasprof_base::text::cut;

use super::{LEFT, RIGHT, Scale, WIDTH, frame, mark, pos};

const ROW: f64 = 30.0;
/// Left margin: names are longer than the numbers of other charts.
const NAMES: f64 = LEFT + 94.0;

/// Most marks of a row; more would overlap and make the page heavy.
pub const MARKS: usize = 150;

/// One row.
pub struct Strip {
    /// Label of the row.
    pub name: String,
    /// Values, each with its tooltip.
    pub values: Vec<(f64, String)>,
    /// Median of the values, marked.
    pub median: f64,
}

/// Draws the rows on one logarithmic axis.
pub fn strip(title: &str, x_name: &str, rows: &[Strip]) -> Markup {
    let x = Scale::logarithmic(rows.iter().flat_map(|r| r.values.iter().map(|v| v.0)), NAMES, WIDTH - RIGHT);
    let bottom = ROW * rows.len() as f64 + 8.0;
    let content = html! {
        g.axis {
            @for (value, label) in x.ticks() {
                line x1=(pos(x.at(value))) x2=(pos(x.at(value))) y1="4" y2=(pos(bottom)) {}
                text x=(pos(x.at(value))) y=(pos(bottom + 16.0)) text-anchor="middle" { (label) }
            }
            @for (i, row) in rows.iter().enumerate() {
                text x=(pos(NAMES - 8.0)) y=(pos(middle(i) + 4.0)) text-anchor="end" { (cut(&row.name, 24)) }
            }
            text.name x=(pos(f64::midpoint(NAMES, WIDTH - RIGHT))) y=(pos(bottom + 36.0)) text-anchor="middle" { (x_name) }
        }
        @for (i, row) in rows.iter().enumerate() {
            @for (j, (value, text)) in thinned(&row.values, MARKS).into_iter().enumerate() {
                (mark(i, x.at(*value), middle(i) + aside(j, row.values.len()), text))
            }
            @if row.values.len() > 1 { line.median x1=(pos(x.at(row.median))) x2=(pos(x.at(row.median))) y1=(pos(middle(i) - 11.0)) y2=(pos(middle(i) + 11.0)) {
                title { "median of " (row.name) }
            } }
        }
    };
    frame(title, bottom + 44.0, &content)
}

/// At most `most` values, evenly spread from the smallest to the largest.
fn thinned(values: &[(f64, String)], most: usize) -> Vec<&(f64, String)> {
    let mut sorted: Vec<&(f64, String)> = values.iter().collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    if sorted.len() <= most {
        return sorted;
    }
    (0..most).map(|i| sorted[i * (sorted.len() - 1) / (most - 1)]).collect()
}

/// Shifts neighbours up and down, so that many equal values are visible as many.
fn aside(position: usize, of: usize) -> f64 {
    if of < 6 { 0.0 } else { [0.0, -5.0, 5.0][position % 3] }
}

fn middle(row: usize) -> f64 {
    ROW * (row as f64 + 0.5) + 4.0
}
