//! Heat maps: a matrix of values as shades, with the value in each cell.

use maud::{Markup, html};
use nasprof_base::text::cut;

/// Meaning of the shades of a matrix.
#[derive(Debug, Clone, Copy)]
pub enum Shades {
    /// From the smallest of its values to the largest, on a logarithmic scale.
    Logarithmic,
    /// From 0 to 1, whatever its values are.
    Shares,
}

/// A matrix; cells without a value stay empty.
pub struct Heat {
    /// Text for readers who cannot see the shades.
    pub title: String,
    /// Heading of the row labels.
    pub row_name: String,
    /// Heading of the column labels.
    pub column_name: String,
    /// Labels of the rows.
    pub rows: Vec<String>,
    /// Labels of the columns.
    pub columns: Vec<String>,
    /// Row by row: value, text of the cell, and its tooltip.
    pub cells: Vec<Vec<Option<(f64, String, String)>>>,
    /// Meaning of the shades.
    pub shades: Shades,
}

/// Draws it as a table, so that it can be read without seeing the shades.
pub fn heat(heat: &Heat) -> Markup {
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
    let all = heat.cells.iter().flatten().flatten().map(|c| c.0).filter(|v| v.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let shades = heat.shades;
    move |value| {
        let share = match shades {
            Shades::Logarithmic => (value.max(f64::MIN_POSITIVE) / low).ln() / (high / low).ln(),
            Shades::Shares => value,
        };
        if share.is_finite() { (share.clamp(0.0, 1.0) * 9.0).round() as usize } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_are_not_drawn_as_if_one_had_won() {
        let of = |shades: Shades| Heat {
            title: String::new(),
            row_name: String::new(),
            column_name: String::new(),
            rows: vec![String::new()],
            columns: vec![String::new(); 2],
            cells: vec![vec![Some((0.12, String::new(), String::new())), Some((0.13, String::new(), String::new()))]],
            shades,
        };
        let both = |heat: Heat| [0.12, 0.13].map(super::shades(&heat));
        assert_eq!(both(of(Shades::Shares)), [1, 1]);
        assert_eq!(both(of(Shades::Logarithmic)), [0, 9]);
    }
}
