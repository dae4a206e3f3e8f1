//! The same networks by several LUTs: devices or runtimes order networks differently, and a budget that holds on one
//! may not hold on another.

use maud::{Markup, html};
use nasprof_base::ranks::spearman;
use nasprof_base::statistics::{median, standard_deviation};
use nasprof_base::text::{count, cut, ms};
use nasprof_graph::Arch;
use nasprof_lut::{Estimator, Lut, holdout_networks};
use nasprof_render::charts::{Guide, Point, Scatter, scatter};
use nasprof_spaces::Space;

use crate::page::figure;

/// Networks drawn, and the seed.
const NETWORKS: usize = 100;
const SEED: u64 = 1;
/// Networks within this of the median count as equally fast.
const ALIKE: f64 = 0.02;
/// Fewest networks for a statement.
const FEWEST: usize = 10;

/// One chart for each LUT but the first; `None` unless all LUTs are of this space at its batch.
pub(super) fn networks(luts: &[(String, Lut)], space: &Space) -> Option<Markup> {
    let identity = space.graph.identity();
    let is_of_space = |lut: &Lut| {
        space.graph.batch() == Some(lut.context.header.batch) && lut.check_space(&space.name, &identity).is_ok()
    };
    if !luts.iter().all(|(_, lut)| is_of_space(lut)) {
        return None;
    }
    let (first, others) = luts.split_first()?;
    let archs = holdout_networks(space, &first.1, NETWORKS, SEED).ok()?.networks;
    let base = estimated(&first.1, space, &archs);
    let charts =
        others.iter().map(|other| Networks::of((&first.0, &base), (&other.0, &estimated(&other.1, space, &archs))));
    let charts: Vec<Markup> = charts.map(|pair| Some(pair?.chart())).collect::<Option<_>>()?;
    Some(html! {
        p {
            (count(NETWORKS, "network")) " drawn from " (space.name) " with seed " (SEED) " and estimated \
            with each LUT. None was measured for the first LUT."
        }
        div.charts { @for chart in &charts { (chart) } }
    })
}

/// Milliseconds of each network; `None` if the LUT lacks one of its layers.
fn estimated(lut: &Lut, space: &Space, archs: &[Arch]) -> Vec<Option<f64>> {
    let estimator = Estimator::new(lut);
    let one = |arch: &Arch| {
        let network = lut.context.header.runtime.subnet(&space.graph, arch).ok()?;
        estimator.latency_ms(&network).filter(|ms| *ms > 0.0)
    };
    archs.iter().map(one).collect()
}

/// The same networks by two LUTs.
#[derive(Debug, Clone, PartialEq)]
struct Networks<'a> {
    names: [&'a str; 2],
    times_ms: Vec<[f64; 2]>,
    rank: f64,
    /// Median ratio of the second to the first.
    factor: f64,
    /// Standard deviation of the logarithm of that ratio.
    spread: f64,
    /// Number of networks that are equally fast by the first, and the fastest and the slowest of them by the second.
    alike: usize,
    alike_ms: [f64; 2],
}

impl<'a> Networks<'a> {
    fn of((base, first): (&'a str, &[Option<f64>]), (name, second): (&'a str, &[Option<f64>])) -> Option<Self> {
        let times_ms: Vec<[f64; 2]> = first.iter().zip(second).filter_map(|(a, b)| Some([(*a)?, (*b)?])).collect();
        if times_ms.len() < FEWEST {
            return None;
        }
        let by = |i: usize| times_ms.iter().map(|times| times[i]).collect::<Vec<f64>>();
        let (a, b) = (by(0), by(1));
        let ratios: Vec<f64> = times_ms.iter().map(|[a, b]| b / a).collect();
        let middle = median(&a)?;
        let alike: Vec<f64> =
            times_ms.iter().filter(|[a, _]| (a / middle).ln().abs() <= ALIKE).map(|[_, b]| *b).collect();
        let low = alike.iter().copied().fold(f64::INFINITY, f64::min);
        let high = alike.iter().copied().fold(0.0, f64::max);
        Some(Self {
            names: [base, name],
            rank: spearman(&a, &b)?,
            factor: median(&ratios)?,
            spread: standard_deviation(&ratios.iter().map(|ratio| ratio.ln()).collect::<Vec<_>>())?,
            alike: alike.len(),
            alike_ms: [low, high],
            times_ms,
        })
    }

    fn words(&self) -> String {
        let Self { rank, factor, spread, alike, alike_ms: [low, high], .. } = self;
        let alike = if *alike < 2 {
            String::new()
        } else {
            format!(
                " The {} that {} runs within {:.0} % of its median take {} to {} on {}.",
                count(*alike, "network"),
                self.names[0],
                100.0 * ALIKE,
                ms(*low),
                ms(*high),
                self.names[1],
            )
        };
        format!(
            "Rank correlation {rank:.3}. Dashed: the common factor of {factor:.3}, from which the ratios have a standard deviation of \
             {:.1} %.{alike}",
            100.0 * spread
        )
    }

    fn chart(&self) -> Markup {
        let [base, name] = self.names;
        let title = |[a, b]: [f64; 2]| format!("{base}: {}\n{name}: {}", ms(a), ms(b));
        let points: Vec<Point> =
            self.times_ms.iter().map(|&[x, y]| Point { x, y, group: 0, title: title([x, y]) }).collect();
        let ends = points.iter().map(|p| p.x).fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        let points_of = [ends.0, ends.1].map(|x| (x, x * self.factor)).to_vec();
        let plot = Scatter {
            title: "Networks by two LUTs",
            x_name: &format!("{}, ms", cut(base, 50)),
            y_name: &format!("{}, ms", cut(name, 40)),
            logarithmic: false,
            square: false,
            groups: Vec::new(),
            points,
            guides: vec![Guide { points: points_of, label: String::new(), at_end: false, dashed: true }],
        };
        figure(&format!("The same networks on {name} and {base}."), &self.words(), &scatter(&plot))
    }
}

#[cfg(test)]
mod tests {
    use nasprof_testkit::luts::synthetic_lut;

    use super::*;

    #[test]
    fn networks_that_take_the_same_time_on_one_may_differ_on_the_other() {
        let first: Vec<Option<f64>> = (0..40).map(|i| Some(1.0 + 0.01 * f64::from(i))).collect();
        let same: Vec<Option<f64>> = first.iter().map(|ms| ms.map(|ms| 2.0 * ms)).collect();
        let other: Vec<Option<f64>> =
            first.iter().enumerate().map(|(i, ms)| ms.map(|ms| if i % 2 == 0 { 2.0 * ms } else { 2.4 * ms })).collect();
        let alike = Networks::of(("a", &first), ("b", &same)).unwrap();
        assert!((alike.rank - 1.0).abs() < 1e-9 && alike.spread < 1e-9 && (alike.factor - 2.0).abs() < 1e-9);
        assert!(alike.alike_ms[1] / alike.alike_ms[0] < 1.05, "{alike:?}");
        let apart = Networks::of(("a", &first), ("b", &other)).unwrap();
        assert!(apart.rank < 0.9 && apart.spread > 0.05 && apart.alike_ms[1] / apart.alike_ms[0] > 1.15, "{apart:?}");
        assert!(apart.words().contains("Rank correlation 0."), "{}", apart.words());
        // Networks without both estimates are left out; too few give no statement.
        let few: Vec<Option<f64>> = (0..40).map(|i| (i < 5).then_some(1.0)).collect();
        assert_eq!(Networks::of(("a", &few), ("b", &same)), None);
    }

    #[test]
    fn luts_of_another_space_or_batch_are_not_compared() {
        let space = Space::builtin("mobilenet-cifar10").unwrap();
        let luts = ["quiet", "wander"].map(|device| (device.to_owned(), synthetic_lut(&space, device, 0)));
        let html = networks(&luts, &space).unwrap().into_string();
        assert!(html.contains("100 networks drawn from mobilenet-cifar10") && html.contains("Rank correlation"));
        assert!(networks(&luts, &Space::builtin("darts-cifar10").unwrap()).is_none());
        let mut other = luts.clone();
        other[1].1.context.header.batch = 8;
        assert!(networks(&other, &space).is_none());
    }
}
