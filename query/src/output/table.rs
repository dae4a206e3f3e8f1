//! A table for people.

use nasprof_base::text::{columns, count, cut_middle, printable};
use polars::prelude::DataFrame;

use super::cell::Cell;
use super::rows;

/// Texts are not cut to less than this.
const SHORTEST: usize = 12;
const GAP: &str = "  ";

/// The first of `height` rows; to fit a terminal, long texts are cut in the middle, and columns without room are listed
/// below.
pub(super) fn text(answer: &DataFrame, height: usize, most: usize, width: Option<usize>) -> String {
    let most = if most == 0 { usize::MAX } else { most };
    let names: Vec<String> =
        answer.get_column_names().iter().map(|name| printable(name).replace(['\n', '\t'], " ")).collect();
    let cells: Vec<Vec<Cell>> =
        rows(answer).take(most).map(|row| row.into_iter().map(|(_, cell)| cell).collect()).collect();
    let shown: Vec<Vec<String>> = cells.iter().map(|row| row.iter().map(Cell::shown).collect()).collect();
    let is_number = |i: usize| cells.iter().any(|row| row[i].is_number());
    let widest = |i: usize| shown.iter().map(|row| columns(&row[i])).chain([columns(&names[i])]).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..names.len()).map(widest).collect();
    let mut fitting = names.len();
    if let Some(width) = width {
        shrink(&mut widths, width, &is_number);
        fitting = fit(&widths, width);
    }
    let line = |texts: &[String]| -> String {
        let cells = (0..fitting).map(|i| {
            let text = cut_middle(&texts[i], widths[i] / 3, widths[i]);
            let space = " ".repeat(widths[i].saturating_sub(columns(&text)));
            if is_number(i) { format!("{space}{text}") } else { format!("{text}{space}") }
        });
        cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned() + "\n"
    };
    let mut text = line(&names);
    let rule: Vec<String> = widths[..fitting].iter().map(|width| "─".repeat(*width)).collect();
    text += &(rule.join(GAP) + "\n");
    text.extend(shown.iter().map(|row| line(row)));
    if height > shown.len() {
        text += &format!("{} more (--rows 0 shows all)\n", count(height - shown.len(), "row"));
    }
    if fitting < names.len() {
        text += &format!("columns not shown: {}\n", names[fitting..].join(", "));
    }
    text
}

/// Narrows the widest text columns until all columns fit, as far as possible.
fn shrink(widths: &mut [usize], width: usize, is_number: &impl Fn(usize) -> bool) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > width {
        let widest = (0..widths.len()).filter(|i| !is_number(*i) && widths[*i] > SHORTEST).max_by_key(|i| widths[*i]);
        let Some(widest) = widest else { return };
        widths[widest] -= 1;
    }
}

/// How many columns have room, at least one.
fn fit(widths: &[usize], width: usize) -> usize {
    let mut used = 0;
    let room = |w: &&usize| {
        used += **w + if used == 0 { 0 } else { GAP.len() };
        used <= width
    };
    widths.iter().take_while(room).count().max(1).min(widths.len())
}

#[cfg(test)]
mod tests {
    use polars::prelude::{NamedFrom, Series};

    use super::*;

    fn table() -> DataFrame {
        DataFrame::new_infer_height(vec![
            Series::new("key".into(), ["conv(out=96,kernel=3x3)[96x32x32]", "add()[8x8x8]"]).into(),
            Series::new("mean_ms".into(), [Some(1.5), None]).into(),
            Series::new("n".into(), [1_i64, 20]).into(),
        ])
        .unwrap()
    }

    #[test]
    fn a_table_fits_the_terminal() {
        let whole = text(&table(), 2, 0, None);
        assert!(whole.starts_with("key                                mean_ms   n\n─"), "{whole}");
        assert!(whole.contains("\nconv(out=96,kernel=3x3)[96x32x32]      1.5   1\n"), "{whole}");
        assert!(whole.contains("\nadd()[8x8x8]                             -  20\n"), "{whole}");
        for width in [25, 30, 40, 80] {
            let text = text(&table(), 2, 0, Some(width));
            assert!(text.lines().all(|line| columns(line) <= width), "{width}:\n{text}");
            assert!(text.contains("1.5") && !text.contains("columns not shown"), "{width}:\n{text}");
        }
        let narrow = text(&table(), 2, 1, Some(16));
        assert!(narrow.contains("1 row more") && narrow.ends_with("columns not shown: mean_ms, n\n"), "{narrow}");
    }
}
