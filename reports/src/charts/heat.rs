//! A matrix of values as shades, with the value written into each cell.

use maud::{Markup, html};

use crate::text::cut;

/// A matrix; cells without a value stay empty.
pub(crate) struct Heat {
    pub(crate) title: String,
    pub(crate) row_name: String,
    pub(crate) column_name: String,
    pub(crate) rows: Vec<String>,
    pub(crate) columns: Vec<String>,
    /// Row by row: value, what is written in the cell, and what is shown for it.
    pub(crate) cells: Vec<Vec<Option<(f64, String, String)>>>,
    /// Shades follow the logarithm.
    pub(crate) logarithmic: bool,
}

/// Draws it as a table, so that it can be read without seeing the shades.
pub(crate) fn heat(heat: &Heat) -> Markup {
    let shade = shades(heat);
    html! {
        div.scroll {
            table.heat {
                caption { (heat.title) }
                thead {
                    tr {
                        th scope="col" { (heat.row_name) " \\ " (heat.column_name) }
                        @for column in &heat.columns { th scope="col" title=(column) { (cut(column, 14)) } }
                    }
                }
                tbody {
                    @for (row, cells) in heat.rows.iter().zip(&heat.cells) {
                        tr {
                            th scope="row" title=(row) { (cut(row, 28)) }
                            @for cell in cells {
                                @match cell {
                                    Some((value, label, title)) => td.{ "h" (shade(*value)) } title=(title) { (label) },
                                    None => td {},
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The class of a value's shade, 0 (least) to 9 (most).
fn shades(heat: &Heat) -> impl Fn(f64) -> usize {
    let transform = |v: f64, log: bool| if log { v.max(f64::MIN_POSITIVE).ln() } else { v };
    let log = heat.logarithmic;
    let all = heat.cells.iter().flatten().flatten().map(|c| transform(c.0, log)).filter(|v| v.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    move |value| {
        let share = (transform(value, log) - low) / (high - low);
        if share.is_finite() { (share * 9.0).round() as usize } else { 0 }
    }
}
