//! The precision of the sampled networks and their rows: the user requests it, and the measurement stops when it is reached.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_base::statistics::{median, quantile, standard_deviation, student_t_95};
use nasprof_base::{Whole, two_parts};
use nasprof_graph::LayerKey;
use serde::{Deserialize, Serialize};

use super::Workload;
use super::rounds::{ROW_WIDTH, RoundValues};

/// A row is weighty if it is at least this share of some sampled network.
pub const WEIGHT: f64 = 0.01;
/// The half-width of networks is this quantile of the networks' half-widths.
const OF_NETWORKS: f64 = 0.9;
/// One in this many weighty rows may be weak within a session. More rounds help neither a row whose share varies nor the estimates: 8 and 40
/// rounds gave the same errors, and afterwards the differences between processes make more than half of the weighty rows weak in both.
const ONE_WEAK_IN: usize = 5;
/// Minimum number of workloads visited in a round.
const FEWEST_VISITED: usize = 4;

/// The precision of the measurement of networks and rows, without the level. It is not the error of an estimate, which also
/// depends on how well a network is the sum of its layers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Precision {
    /// Relative half-width (95 %) of the scaled sums of layers of the sampled networks: nine of ten networks do not exceed
    /// it. It combines the intervals of their rows and of the calibration's scale. Absent if unknown.
    pub networks: Option<f64>,
    /// Median of the rows' half-widths; absent if half of them are unknown.
    pub rows: Option<f64>,
    /// Number of rows that are 1 % or more of some sampled network and have a half-width above 3 %.
    pub weak: usize,
    /// Number of rows that are 1 % or more of some sampled network.
    pub weighty: usize,
    /// Number of all rows.
    pub of: usize,
}

impl Precision {
    /// Whether the half-width of networks is at most `ci`, and at most one weighty row in five is weak.
    #[must_use]
    pub fn is_enough(&self, ci: f64) -> bool {
        self.networks.is_some_and(|width| width <= ci) && self.weak * ONE_WEAK_IN <= self.weighty
    }
}

/// The estimate of one layer: nanoseconds, and the relative half-width of its interval.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Nanoseconds.
    pub ns: f64,
    /// Half of the interval, relative; `None` below eight rounds.
    pub half_width: Option<f64>,
}

/// Sampled networks as shares of their layers.
pub struct Shares<'a> {
    rows: BTreeMap<&'a LayerKey, Row>,
    networks: Vec<BTreeMap<&'a LayerKey, f64>>,
}

struct Row {
    half_width: Option<f64>,
    /// The largest share of a network.
    weight: f64,
}

impl<'a> Shares<'a> {
    /// Shares from the estimates of the networks' layers. A network with an unknown layer is left out.
    pub fn new(networks: impl IntoIterator<Item = &'a Workload>, known: impl Fn(&LayerKey) -> Option<Known>) -> Self {
        let mut shares = Self { rows: BTreeMap::new(), networks: Vec::new() };
        for network in networks.into_iter().filter(|network| !network.is_layer()) {
            let times: Option<Vec<(&LayerKey, Known)>> = network.keys().map(|key| Some((key, known(key)?))).collect();
            let Some(times) = times else { continue };
            let total: f64 = times.iter().map(|(_, known)| known.ns).sum();
            let mut own: BTreeMap<&LayerKey, f64> = BTreeMap::new();
            for (key, known) in times {
                *own.entry(key).or_default() += known.ns / total;
                shares.rows.entry(key).or_insert(Row { half_width: known.half_width, weight: 0.0 });
            }
            for (key, share) in &own {
                if let Some(row) = shares.rows.get_mut(key) {
                    row.weight = row.weight.max(*share);
                }
            }
            shares.networks.push(own);
        }
        shares
    }

    /// The precision of all networks and rows; `calibration` is the half-width of the scale between sums and networks. The
    /// errors of rows are independent, so their squares add.
    #[must_use]
    pub fn precision(&self, calibration: f64) -> Precision {
        let of_network = |own: &BTreeMap<&LayerKey, f64>| {
            let squares: f64 = own.iter().map(|(key, share)| (share * self.half_width(key)).powi(2)).sum();
            squares.sqrt().hypot(calibration)
        };
        let networks = quantile(&self.networks.iter().map(of_network).collect::<Vec<_>>(), OF_NETWORKS);
        let widths: Vec<f64> = self.rows.values().map(|row| row.half_width.unwrap_or(f64::INFINITY)).collect();
        let finite = |width: &f64| width.is_finite();
        Precision {
            networks: networks.filter(finite),
            rows: median(&widths).filter(finite),
            weak: self.rows.values().filter(|row| row.is_weak()).count(),
            weighty: self.rows.values().filter(|row| row.weight >= WEIGHT).count(),
            of: self.rows.len(),
        }
    }

    fn half_width(&self, key: &LayerKey) -> f64 {
        self.rows.get(key).and_then(|row| row.half_width).unwrap_or(f64::INFINITY)
    }

    /// Indices of the half of the workloads that help most: first those with weak rows, then those whose rows add most to
    /// the networks' uncertainty.
    #[must_use]
    pub fn weakest(&self, workloads: &[Workload]) -> Vec<usize> {
        let score = |workload: &Workload| {
            let mut keys: Vec<&LayerKey> = workload.keys().collect();
            keys.sort_unstable();
            keys.dedup();
            let rows: Vec<&Row> = keys.into_iter().filter_map(|key| self.rows.get(key)).collect();
            let weak = rows.iter().filter(|row| row.is_weak()).count() as f64;
            let added: f64 = rows.iter().map(|row| (row.weight * row.half_width.unwrap_or(1.0)).powi(2)).sum();
            (weak, added)
        };
        let scores: Vec<(f64, f64)> = workloads.iter().map(score).collect();
        let mut order: Vec<usize> = (0..workloads.len()).collect();
        // A stable sort: workloads with equal scores keep the order of loading.
        order.sort_by(|&a, &b| scores[b].0.total_cmp(&scores[a].0).then(scores[b].1.total_cmp(&scores[a].1)));
        order.truncate(workloads.len().div_ceil(2).max(FEWEST_VISITED));
        order.sort_unstable();
        order
    }
}

impl Row {
    fn is_weak(&self) -> bool {
        self.weight >= WEIGHT && self.half_width.is_none_or(|width| width > ROW_WIDTH)
    }
}

/// Half-width (95 %) of the scale between sums of layers and whole networks, for `networks` networks whose errors have the
/// standard deviation `error`; 0 for fewer than two networks, which have no scale.
#[must_use]
pub fn scale_half_width(error: f64, networks: usize) -> f64 {
    if networks < 2 { 0.0 } else { student_t_95(networks - 1) * error / (networks as f64).sqrt() }
}

/// The shares of networks from a session's rounds so far, and the half-width of their scale. The half-widths are those of
/// `sessions` sessions like this one, because rows and scale combine all sessions.
pub(super) fn of_session<'a>(workloads: &'a [Workload], values: &RoundValues, sessions: u32) -> (Shares<'a>, f64) {
    let by_all = f64::from(sessions.max(1)).sqrt();
    let rounds = |key: &LayerKey| values.values.get(key);
    let layers: BTreeSet<&LayerKey> = workloads.iter().flat_map(Workload::keys).collect();
    let widths = values.half_widths(layers);
    let known = |key: &LayerKey| {
        Some(Known { ns: median(rounds(key)?)?, half_width: widths.get(key).map(|width| width / by_all) })
    };
    let whole = |workload: &Workload| {
        let sum: f64 = workload.keys().map(|key| Some(known(key)?.ns)).sum::<Option<_>>()?;
        Some(Whole { whole: median(rounds(&workload.whole_key())?)?, sum, count: workload.keys().len() as f64 })
    };
    let wholes: Vec<Whole> = workloads.iter().filter_map(whole).collect();
    let scale = scale_half_width(scatter(&wholes), wholes.len()) / by_all;
    (Shares::new(workloads, known), scale)
}

/// Standard deviation of the relative errors when networks are predicted from the sums of their layers: with a factor alone,
/// or with a timer cost per layer too if that fits better. The timer cost is later removed from the rows.
fn scatter(wholes: &[Whole]) -> f64 {
    let ratios: Vec<f64> = wholes.iter().map(|network| (network.whole / network.sum).ln()).collect();
    let alone = standard_deviation(&ratios).unwrap_or(0.0);
    let squares = |(a, b): (f64, f64)| {
        let error = |network: &Whole| 1.0 - (a * network.sum + b * network.count) / network.whole;
        wholes.iter().map(|network| error(network).powi(2)).sum::<f64>()
    };
    let free = wholes.len().saturating_sub(2) as f64;
    let by_parts = two_parts(wholes).filter(|_| free >= 1.0).map(|parts| (squares(parts) / free).sqrt());
    by_parts.map_or(alone, |by_parts| by_parts.min(alone))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A timer that takes as long as the layers makes sums say little of networks, and costs the scale nothing.
    #[test]
    fn timers_between_layers_do_not_make_the_scale_uncertain() {
        let networks = |timer: f64| -> Vec<Whole> {
            let network = |i: usize| {
                let (count, alone) = (40.0 + (i % 7) as f64 * 4.0, 100.0 + (i % 5) as f64 * 10.0);
                let error = if i.is_multiple_of(2) { 1.004 } else { 0.996 };
                Whole { whole: 0.9 * alone * error, sum: alone + timer * count, count }
            };
            (0..45).map(network).collect()
        };
        let (without, with) = (scatter(&networks(0.0)), scatter(&networks(2.0)));
        assert!((0.003..0.005).contains(&without) && (0.003..0.006).contains(&with), "{without} {with}");
        // Control: by a factor alone it is far wider.
        let ratios: Vec<f64> = networks(2.0).iter().map(|n| (n.whole / n.sum).ln()).collect();
        assert!(standard_deviation(&ratios).unwrap() > 5.0 * with);
        // Two networks are on every line.
        assert!(scatter(&networks(2.0)[..2]) > 0.0);
    }
}
