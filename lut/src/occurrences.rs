//! The times of each layer's occurrences, and the error of predicting networks from the occurrences in other networks.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, standard_deviation};
use nasprof_graph::LayerKey;
use nasprof_profiler::engine::Workload;

use crate::reuse::{BANDWIDTHS, ReusePoint, time_at};
use crate::variance::{Variance, VariancePrior};

/// A bandwidth must predict left-out networks this much better than plain means: among several bandwidths, one is
/// always a little better by luck.
const WORTH_IT: f64 = 0.9;

/// One layer of one measured network.
#[derive(Debug, Clone, PartialEq)]
struct Occurrence {
    /// The network.
    workload: u32,
    /// Reuse distance, bytes.
    bytes: u64,
    /// Mean over the sessions of the trimmed means, nanoseconds.
    mean_ns: f64,
}

/// A network, and its time as a whole, as the mean of the sessions.
struct Network<'a> {
    workload: &'a Workload,
    whole_ns: f64,
}

/// All occurrences of a measurement.
pub(crate) struct Occurrences<'a> {
    by_key: BTreeMap<&'a LayerKey, Vec<Occurrence>>,
    networks: Vec<Network<'a>>,
}

impl<'a> Occurrences<'a> {
    /// Collects the occurrences of networks; `value` is the mean at a position of a workload. The position after the
    /// last layer is the network as a whole.
    pub(crate) fn new(
        workloads: impl Iterator<Item = &'a Workload>,
        value: impl Fn(&Workload, usize) -> Option<f64>,
    ) -> Self {
        let mut occurrences = Self { by_key: BTreeMap::new(), networks: Vec::new() };
        for workload in workloads.filter(|workload| !workload.is_layer()) {
            let layers = workload.network.keyed_layers();
            for (position, layer) in layers.iter().enumerate() {
                if let Some(mean_ns) = value(workload, position) {
                    let occurrence = Occurrence { workload: workload.id, bytes: layer.reuse_bytes, mean_ns };
                    occurrences.by_key.entry(&layer.key).or_default().push(occurrence);
                }
            }
            if let Some(whole_ns) = value(workload, layers.len()) {
                occurrences.networks.push(Network { workload, whole_ns });
            }
        }
        occurrences
    }

    /// The uncertainty of each layer's mean because it was timed in these networks of the space and not in others:
    /// relative half-widths, 95 %. Occurrences in one network are one draw, because they share its neighbourhoods. A
    /// layer in few networks borrows from the variance of all. The result is empty if no layer is in two networks.
    pub(crate) fn sampling(&self) -> BTreeMap<&'a LayerKey, f64> {
        let by_network: BTreeMap<&LayerKey, Vec<f64>> =
            self.by_key.iter().map(|(key, occurrences)| (*key, network_logs(occurrences))).collect();
        let Some(prior) = VariancePrior::within(by_network.values().map(Vec::as_slice)) else { return BTreeMap::new() };
        by_network.into_iter().map(|(key, logs)| (key, Variance::of(&logs, prior).confidence_half_width())).collect()
    }

    /// A layer's occurrences by reuse distance, except those in one network. If that network has all of them, they
    /// stay.
    pub(crate) fn points(&self, key: &LayerKey, without: Option<u32>) -> Vec<ReusePoint> {
        let all = self.by_key.get(key).map(Vec::as_slice).unwrap_or_default();
        let elsewhere = |occurrence: &&Occurrence| Some(occurrence.workload) != without;
        let keep_all = !all.iter().any(|occurrence| elsewhere(&occurrence));
        let mut sums: BTreeMap<u64, (u64, f64)> = BTreeMap::new();
        for occurrence in all.iter().filter(|occurrence| keep_all || elsewhere(occurrence)) {
            let (count, sum) = sums.entry(occurrence.bytes).or_default();
            *count += 1;
            *sum += occurrence.mean_ns;
        }
        sums.into_iter()
            .map(|(bytes, (occurrences, sum))| ReusePoint { bytes, occurrences, mean_ns: sum / occurrences as f64 })
            .collect()
    }

    /// The bandwidth that predicts left-out networks best, and those predictions; none unless it is clearly better than
    /// plain means.
    pub(crate) fn best_bandwidth(&self) -> (Option<f64>, BTreeMap<u32, LeftOut>) {
        let spread = |left: &BTreeMap<u32, LeftOut>| {
            standard_deviation(&left.values().map(|l| l.log_ratio).collect::<Vec<_>>()).unwrap_or(f64::INFINITY)
        };
        // Collected once: every bandwidth looks at the same occurrences.
        let elsewhere: Vec<Vec<Vec<ReusePoint>>> = self
            .networks
            .iter()
            .map(|network| network.workload.keys().map(|key| self.points(key, Some(network.workload.id))).collect())
            .collect();
        let plain = self.left_out(&elsewhere, None);
        let limit = spread(&plain) * WORTH_IT;
        let tried = BANDWIDTHS.map(|bandwidth| (Some(bandwidth), self.left_out(&elsewhere, Some(bandwidth))));
        let best = tried.into_iter().min_by(|a, b| spread(&a.1).total_cmp(&spread(&b.1)));
        best.filter(|(_, left)| spread(left) < limit).unwrap_or((None, plain))
    }

    /// Each network predicted from its layers' occurrences `elsewhere`, in the order of the networks.
    fn left_out(&self, elsewhere: &[Vec<Vec<ReusePoint>>], bandwidth: Option<f64>) -> BTreeMap<u32, LeftOut> {
        let networks = self.networks.iter().zip(elsewhere);
        networks
            .filter_map(|(network, layers)| {
                let layers = layers.iter().zip(network.workload.network.keyed_layers());
                let sum_ns: f64 =
                    layers.map(|(points, layer)| layer_ns(points, layer.reuse_bytes, bandwidth)).sum::<Option<_>>()?;
                let log_ratio = (network.whole_ns / sum_ns).ln();
                log_ratio.is_finite().then_some((network.workload.id, LeftOut { sum_ns, log_ratio }))
            })
            .collect()
    }
}

/// Logarithm of the mean time in each network.
fn network_logs(occurrences: &[Occurrence]) -> Vec<f64> {
    let mut networks: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for occurrence in occurrences {
        networks.entry(occurrence.workload).or_default().push(occurrence.mean_ns);
    }
    networks.values().filter_map(|times| mean(times)).map(f64::ln).filter(|log| log.is_finite()).collect()
}

/// A network predicted from the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LeftOut {
    /// Sum of its layers, as in an estimate before the scale, nanoseconds.
    pub(crate) sum_ns: f64,
    /// Logarithm of measured whole over that sum.
    pub(crate) log_ratio: f64,
}

/// A layer's time at a reuse distance; without a bandwidth the mean over all occurrences.
fn layer_ns(points: &[ReusePoint], bytes: u64, bandwidth: Option<f64>) -> Option<f64> {
    match bandwidth {
        Some(bandwidth) => time_at(points, bytes, bandwidth),
        None => {
            let weighted: Vec<f64> =
                points.iter().flat_map(|p| std::iter::repeat_n(p.mean_ns, p.occurrences as usize)).collect();
            mean(&weighted)
        }
    }
}
