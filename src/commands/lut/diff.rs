//! `nasprof lut diff`: two LUTs compared, the largest change first.

use std::path::Path;

use nasprof_base::text::{ms, percent};
use nasprof_lut::{Diff, Lut, diff};
use nasprof_reports::context_line;
use serde::Serialize;

use super::super::table::{Tone, fit, fit_ends, paint, signed_bar, spare};
use super::super::{path_text, print, print_json};
use crate::failure::Failure;

/// Two LUTs with their files, so that the output says which is which.
pub(super) struct Named<'a> {
    pub(super) before: (&'a Path, &'a Lut),
    pub(super) after: (&'a Path, &'a Lut),
}

#[derive(Serialize)]
struct Line {
    before: String,
    after: String,
    #[serde(flatten)]
    diff: Diff,
}

impl Named<'_> {
    fn diff(&self) -> Diff {
        diff(self.before.1, self.after.1)
    }

    pub(super) fn json(&self) -> Result<(), Failure> {
        print_json(&Line { before: path_text(self.before.0), after: path_text(self.after.0), diff: self.diff() })
    }

    pub(super) fn show(&self, rows: usize) -> Result<(), Failure> {
        for (name, (path, lut)) in [("before", self.before), ("after", self.after)] {
            let line = format!("{name:<7} {}: {}", path.display(), context_line(lut));
            print(fit(&line, 80 + spare()).trim_end())?;
        }
        show(&self.diff(), rows)
    }
}

fn show(diff: &Diff, rows: usize) -> Result<(), Failure> {
    let text = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), percent);
    print(format!(
        "common factor            {}",
        diff.level.map_or_else(|| "unknown".to_owned(), |level| format!("{level:.4}"))
    ))?;
    print(format!("p95 of |ln ratio|        {}", text(diff.p95_log_ratio)))?;
    print(format!("  without common factor  {}", text(diff.p95_log_ratio_without_level)))?;
    print(format!("intervals overlap        {}", text(diff.overlapping)))?;
    print(format!("  without common factor  {}", text(diff.overlapping_without_level)))?;
    print(format!("only before / after      {} / {}", diff.only_before.len(), diff.only_after.len()))?;
    let heading = format!("{} {:>11} {:>11} {:>9}", fit("layer", 33 + spare()), "before", "after", "change");
    print("")?;
    print(paint(Tone::Strong, heading))?;
    let largest = diff.rows.iter().map(|r| r.ratio.ln().abs()).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let shown = if rows == 0 { diff.rows.len() } else { rows.min(diff.rows.len()) };
    for row in &diff.rows[..shown] {
        let change = format!("{:>9}", format!("{:+.1} %", 100.0 * (row.ratio - 1.0)));
        // If the intervals overlap, the times may be equal.
        let tone = match row.overlap {
            Some(true) => Tone::Faint,
            _ if row.ratio > 1.0 => Tone::Bad,
            _ => Tone::Good,
        };
        let bar = signed_bar(row.ratio.ln() / largest, 5);
        let (before, after) = (ms(row.before_ms), ms(row.after_ms));
        let key = fit_ends(row.key.as_str(), 20 + spare() / 2, 33 + spare());
        print(format!("{key} {before:>11} {after:>11} {} {}", paint(tone, change), bar.trim_end()))?;
    }
    if diff.rows.len() > shown {
        print(paint(Tone::Faint, format!("… {} more layers; --rows 0 shows all", diff.rows.len() - shown)))?;
    }
    Ok(())
}
