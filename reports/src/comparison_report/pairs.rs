//! Compares one LUT with the first.

use maud::Markup;
use nasprof_base::ranks::spearman;
use nasprof_base::text::{cut, ms, significant};
use nasprof_lut::{Diff, Lut, diff};
use nasprof_render::charts::{Guide, Point, Scatter, scatter};

use crate::page::figure;

/// The layers that two LUTs share.
pub(super) struct Pair<'a> {
    pub(super) base: &'a str,
    pub(super) name: &'a str,
    pub(super) diff: Diff,
    pub(super) rank: Option<f64>,
}

impl<'a> Pair<'a> {
    pub(super) fn new((base, before): &'a (String, Lut), (name, after): &'a (String, Lut)) -> Self {
        let diff = diff(before, after);
        let (a, b): (Vec<f64>, Vec<f64>) = diff.rows.iter().map(|r| (r.before_ms, r.after_ms)).unzip();
        let rank = spearman(&a, &b);
        Self { base, name, diff, rank }
    }

    pub(super) fn chart(&self) -> Markup {
        let points: Vec<Point> = self
            .diff
            .rows
            .iter()
            .map(|row| {
                let key = cut(row.key.as_str(), 160);
                let title =
                    format!("{key}\n{} and {}, ratio {}", ms(row.before_ms), ms(row.after_ms), significant(row.ratio));
                Point { x: row.before_ms, y: row.after_ms, group: 0, title }
            })
            .collect();
        let ends = points.iter().map(|p| p.x).fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        let level = self.diff.level.unwrap_or(1.0);
        let line = |factor: f64, dashed: bool| Guide {
            points: [ends.0, ends.1].iter().map(|x| (*x, x * factor)).collect(),
            label: String::new(),
            at_end: false,
            dashed,
        };
        let rank = self.rank.map_or_else(|| "unknown".to_owned(), |r| format!("{r:.3}"));
        let spread =
            self.diff.p95_log_ratio_without_level.map_or_else(|| "unknown".to_owned(), |v| significant(v.exp()));
        let how = format!(
            "Rank correlation {rank}. Solid: equal times; dashed: the common factor of {level:.3}. 95 % of the layers \
             are within a factor of {spread} of the dashed line; layers far from it are relatively fast or slow on \
             one of the two."
        );
        let plot = Scatter {
            title: "Layers of two LUTs",
            x_name: &format!("{}, ms", cut(self.base, 50)),
            y_name: &format!("{}, ms", cut(self.name, 40)),
            logarithmic: true,
            square: true,
            groups: Vec::new(),
            points,
            guides: vec![line(1.0, false), line(level, true)],
        };
        figure(&format!("{} against {}.", self.name, self.base), &how, &scatter(&plot))
    }
}
