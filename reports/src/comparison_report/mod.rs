//! Compares several LUTs (devices, runtimes, settings or days) layer by layer and on the same networks.

mod modes;
mod networks;
mod pairs;

use std::collections::{BTreeSet, HashMap, HashSet};

use maud::{Markup, html};
use nasprof_base::text::{count, ms, significant};
use nasprof_graph::LayerKey;
use nasprof_lut::Lut;
use nasprof_spaces::Space;

use self::pairs::Pair;
use crate::lut_report::{context_line, mode_name};
use crate::page::{Cell, Column, Section, Statement, Table, Verdict, page, side_by_side, statements, table};

/// Several LUTs as one HTML file; the others are compared with the first. With their space, its networks are compared
/// too, because runtimes that fuse layers differently have hardly a layer in common.
#[must_use]
pub fn comparison_report(luts: &[(String, Lut)], space: Option<&Space>) -> String {
    let Some((first, others)) = luts.split_first() else {
        return page("Comparison", "no LUTs", &[]);
    };
    let pairs: Vec<Pair> = others.iter().map(|other| Pair::new(first, other)).collect();
    let mut sections = vec![Section::new("summary", "How do they differ?", summary(luts, &pairs))];
    let of_space = space.and_then(|space| networks::networks(luts, space));
    sections.extend(of_space.map(|body| Section::new("networks", "The same networks", body)));
    let common: Vec<&Pair<'_>> = pairs.iter().filter(|pair| !pair.diff.rows.is_empty()).collect();
    if !common.is_empty() {
        let charts = html! { div.charts { @for pair in common { (pair.chart()) } } };
        sections.push(Section::new("pairs", "Layer against layer", charts));
    }
    sections.extend(modes::modes(luts).map(|body| Section::new("modes", "In networks and alone", body)));
    sections.push(Section::new("layers", "All layers", layers(luts)));
    sections.push(Section::new("context", "Contexts", contexts(luts)));
    let names: Vec<&str> = luts.iter().map(|(name, _)| name.as_str()).collect();
    page(&format!("{} compared", count(luts.len(), "LUT")), &names.join(" · "), &sections)
}

const SUMMARY: [Column; 7] = [
    Column::text("LUT", "Compared with the first"),
    Column::number("common layers", "Layers with times in both"),
    Column::number("factor", "Median ratio of times to the first: the common factor"),
    Column::number("spread", "95 % of the layers lie within this factor of the common factor"),
    Column::number("rank correlation", "Spearman, over the common layers: 1 means the same order"),
    Column::number("overlap", "Share of layers whose intervals overlap"),
    Column::number("only in one", "Layers in only one of the two"),
];

fn summary(luts: &[(String, Lut)], pairs: &[Pair<'_>]) -> Markup {
    let rows = pairs.iter().map(|pair| {
        let diff = &pair.diff;
        vec![
            Cell::text(pair.name),
            Cell::number(Some(diff.rows.len() as f64), |v| v.to_string()),
            Cell::number(diff.level, |v| format!("× {v:.3}")),
            Cell::number(diff.p95_log_ratio_without_level.map(f64::exp), |v| format!("× {}", significant(v))),
            Cell::number(pair.rank, |v| format!("{v:.3}")),
            Cell::number(diff.overlapping, |v| format!("{:.0} %", 100.0 * v)),
            Cell::number(Some((diff.only_before.len() + diff.only_after.len()) as f64), |v| v.to_string()),
        ]
    });
    html! {
        p { "Compared with " strong { (luts[0].0) } ": " (context_line(&luts[0].1)) "." }
        (table(&Table { id: "summary-table", row: "LUT", columns: &SUMMARY, rows: rows.collect() }))
        (statements(&differences(luts)))
    }
}

/// Differences of the contexts.
fn differences(luts: &[(String, Lut)]) -> Vec<Statement> {
    let named: Vec<(&str, BTreeSet<String>)> = context_values(luts)
        .into_iter()
        .map(|(name, values)| (name, values.into_iter().collect::<BTreeSet<_>>()))
        .filter(|(_, values)| values.len() > 1)
        .collect();
    if named.is_empty() {
        let text = "Device, space, batch, threads, allocator, mode and runtime are equal; only the session differs.";
        return vec![Statement::new(Verdict::Good, "Same context.", text)];
    }
    let parts: Vec<String> = named
        .iter()
        .map(|(name, values)| format!("{name} ({})", values.iter().cloned().collect::<Vec<_>>().join(" / ")))
        .collect();
    vec![Statement::new(Verdict::Doubtful, "Not the same.", format!("They differ in {}.", parts.join(", ")))]
}

/// Values of the context, one for each LUT.
fn context_values(luts: &[(String, Lut)]) -> Vec<(&'static str, Vec<String>)> {
    let of = |value: &dyn Fn(&Lut) -> String| luts.iter().map(|(_, lut)| value(lut)).collect::<Vec<_>>();
    let fact = |lut: &Lut, name: &str| lut.context.facts.get(name).cloned().unwrap_or_else(|| "unknown".to_owned());
    vec![
        ("device", of(&|l| l.context.header.device.clone())),
        ("processor", of(&|l| fact(l, "processor"))),
        ("back end", of(&|l| l.context.header.backend.clone())),
        ("runtime version", of(&|l| fact(l, "runtime_version"))),
        ("space", of(&|l| l.context.header.space.clone())),
        ("batch", of(&|l| l.context.header.batch.to_string())),
        ("threads", of(&|l| l.context.header.threads.to_string())),
        ("allocator", of(&|l| l.context.header.allocator.name().to_owned())),
        ("where layers were timed", of(&|l| mode_name(l.context.header.mode).to_owned())),
    ]
}

fn contexts(luts: &[(String, Lut)]) -> Markup {
    let names: Vec<&str> = luts.iter().map(|(name, _)| name.as_str()).collect();
    side_by_side(&names, context_values(luts))
}

/// One line for each layer and LUT but the first, so that any number of LUTs fits and a search for a layer shows all of
/// them. The largest differences come first, layers in only one LUT last.
fn layers(luts: &[(String, Lut)]) -> Markup {
    let (base, others) = (&luts[0], &luts[1..]);
    let times = |lut: &'_ Lut| -> HashMap<LayerKey, f64> {
        lut.rows.iter().filter_map(|r| Some((r.key.clone(), r.times.as_ref()?.mean_ns))).collect()
    };
    let first = times(&base.1);
    let mut rows: Vec<Compared<'_>> = Vec::new();
    for (name, lut) in others {
        let level = nasprof_lut::diff(&base.1, lut).level;
        let own = times(lut);
        let of = |key| Compared { key, lut: name, first: first.get(key).copied(), own: own.get(key).copied(), level };
        rows.extend(lut.rows.iter().map(|row| of(&row.key)));
        let here: HashSet<&LayerKey> = lut.rows.iter().map(|row| &row.key).collect();
        rows.extend(base.1.rows.iter().map(|row| &row.key).filter(|key| !here.contains(key)).map(of));
    }
    rows.sort_by(|a, b| b.difference().total_cmp(&a.difference()));
    let columns = [
        Column::text("layer", "The key"),
        Column::text("LUT", "In which LUT"),
        Column::number("mean", "Trimmed mean in that LUT"),
        Column { name: format!("in {}", base.0).into(), ..Column::number("", "Trimmed mean in the first LUT") },
        Column::number("ratio", "Relative to the first LUT"),
        Column::number("ratio without factor", "Relative to the first LUT, after dividing by the common factor"),
    ];
    let rows = rows.iter().map(Compared::cells).collect();
    table(&Table { id: "layer-table", row: "measurement", columns: &columns, rows })
}

/// A layer in a LUT and in the first LUT.
struct Compared<'a> {
    key: &'a LayerKey,
    lut: &'a str,
    /// Nanoseconds.
    first: Option<f64>,
    own: Option<f64>,
    /// The LUT's common factor to the first LUT.
    level: Option<f64>,
}

impl Compared<'_> {
    fn ratio(&self) -> Option<f64> {
        self.own.zip(self.first).map(|(own, first)| own / first)
    }

    fn without_factor(&self) -> Option<f64> {
        self.ratio().zip(self.level).map(|(ratio, level)| ratio / level)
    }

    /// Its distance from the common factor, up or down; below all others if it is in only one LUT.
    fn difference(&self) -> f64 {
        self.without_factor().map_or(-1.0, |ratio| ratio.ln().abs())
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::text(self.key.as_str()),
            Cell::text(self.lut),
            Cell::number(self.own.map(|ns| ns / 1e6), ms),
            Cell::number(self.first.map(|ns| ns / 1e6), ms),
            Cell::number(self.ratio(), |ratio| format!("{ratio:.4}")),
            Cell::number(self.without_factor(), |ratio| format!("{ratio:.4}")),
        ]
    }
}

#[cfg(test)]
mod tests {
    use nasprof_testkit::luts::synthetic_lut;

    use super::*;

    /// Numbers of the last column, from top to bottom.
    fn without_factor(page: &str) -> Vec<f64> {
        let table = page.split("id=\"layer-table\"").nth(1).unwrap().split("</table>").next().unwrap();
        let body = table.split("<tbody").nth(1).unwrap();
        let last = |row: &str| {
            let cell = row.rsplit_once("<td").unwrap().1.split_once('>').unwrap().1;
            cell.split('<').next().unwrap().trim().parse().unwrap_or(f64::NAN)
        };
        body.split("<tr").skip(1).map(last).collect()
    }

    #[test]
    fn what_differs_most_stands_first_under_the_files_names() {
        let space = Space::builtin("mobilenet-cifar10").unwrap();
        let before = synthetic_lut(&space, "quiet", 0);
        let mut after = before.clone();
        for (i, row) in after.rows.iter_mut().enumerate() {
            // One layer in ten differs from the common factor of 2, each by another factor; no order of keys puts them
            // first.
            let factor = if i % 10 == 7 { 2.0 * 1.1_f64.powi(i as i32 / 10 + 1) } else { 2.0 };
            row.times.iter_mut().for_each(|times| times.mean_ns *= factor);
        }
        let alone = after.rows.pop().unwrap();
        // Without the positions where a line may break.
        let page = comparison_report(&[("then.parquet".to_owned(), before), ("now.parquet".to_owned(), after)], None)
            .replace("<wbr>", "");
        let column = without_factor(&page);
        let distances: Vec<f64> = column.iter().map(|ratio| ratio.ln().abs()).collect();
        let known = distances.len() - 1;
        assert!(distances[..known].windows(2).all(|pair| pair[0] >= pair[1] - 1e-3), "{column:?}");
        assert!(distances[0] > 0.5 && distances[known - 1] < 1e-3, "{column:?}");
        // The layer that only one LUT has comes last, and files are named.
        assert!(distances[known].is_nan(), "{column:?}");
        let table = page.split("id=\"layer-table\"").nth(1).unwrap().split("</table>").next().unwrap();
        assert!(table.rsplit_once("<tr").unwrap().1.contains(alone.key.as_str()), "{}", alone.key);
        assert!(page.contains("in then.parquet") && page.contains("now.parquet"));
    }
}
