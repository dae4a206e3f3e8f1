//! What each place of each layer took, and how well networks are predicted from the places in the other networks.

use std::collections::BTreeMap;

use nasprof_base::statistics::{mean, standard_deviation};
use nasprof_graph::LayerKey;
use nasprof_profiler::engine::Unit;

use crate::reuse::{BANDWIDTHS, ReusePoint, time_at};
use crate::spread::{Spread, Usual};

/// A bandwidth must make left-out networks this much better than plain means: among several that are tried, one is
/// always a little better by luck.
const WORTH_IT: f64 = 0.9;

/// One layer of one measured network.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    /// The network.
    unit: u32,
    /// Reuse distance, bytes.
    bytes: u64,
    /// Mean over the sessions of the trimmed means, nanoseconds.
    mean_ns: f64,
}

/// A network, and what it took as a whole in the mean of the sessions.
struct Network<'a> {
    unit: &'a Unit,
    whole_ns: f64,
}

/// All places of a measurement.
pub(crate) struct Places<'a> {
    by_key: BTreeMap<&'a LayerKey, Vec<Place>>,
    networks: Vec<Network<'a>>,
}

impl<'a> Places<'a> {
    /// Collects the places of networks; `value` is the mean of a position of a unit, the position after the last layer
    /// being the network as a whole.
    pub(crate) fn new(units: impl Iterator<Item = &'a Unit>, value: impl Fn(&Unit, usize) -> Option<f64>) -> Self {
        let mut places = Self { by_key: BTreeMap::new(), networks: Vec::new() };
        for unit in units.filter(|unit| !unit.is_layer()) {
            let layers = unit.network.keyed_layers();
            for (position, layer) in layers.iter().enumerate() {
                if let Some(mean_ns) = value(unit, position) {
                    let place = Place { unit: unit.unit, bytes: layer.reuse_bytes, mean_ns };
                    places.by_key.entry(&layer.key).or_default().push(place);
                }
            }
            if let Some(whole_ns) = value(unit, layers.len()) {
                places.networks.push(Network { unit, whole_ns });
            }
        }
        places
    }

    /// How far each layer's mean may be off because it was seen in these networks of the space and not in others: relative
    /// half-widths, 95 %. Places in one network are one draw, for they share its neighbourhoods. A layer that few networks
    /// have borrows from the spread of all; nothing is said where no layer is in two networks.
    pub(crate) fn sampling(&self) -> BTreeMap<&'a LayerKey, f64> {
        let by_network: BTreeMap<&LayerKey, Vec<f64>> =
            self.by_key.iter().map(|(key, places)| (*key, network_logs(places))).collect();
        let Some(usual) = Usual::within(by_network.values().map(Vec::as_slice)) else { return BTreeMap::new() };
        by_network.into_iter().map(|(key, logs)| (key, Spread::of(&logs, usual).of_mean())).collect()
    }

    /// A layer's places by reuse distance, except those in one network. Where that network has all of them, they stay.
    pub(crate) fn points(&self, key: &LayerKey, without: Option<u32>) -> Vec<ReusePoint> {
        let all = self.by_key.get(key).map(Vec::as_slice).unwrap_or_default();
        let elsewhere = |place: &&Place| Some(place.unit) != without;
        let keep_all = !all.iter().any(|place| elsewhere(&place));
        let mut sums: BTreeMap<u64, (u64, f64)> = BTreeMap::new();
        for place in all.iter().filter(|place| keep_all || elsewhere(place)) {
            let (count, sum) = sums.entry(place.bytes).or_default();
            *count += 1;
            *sum += place.mean_ns;
        }
        sums.into_iter()
            .map(|(bytes, (places, sum))| ReusePoint { bytes, places, mean_ns: sum / places as f64 })
            .collect()
    }

    /// The bandwidth that predicts left-out networks best, and those predictions; none unless it is clearly better than
    /// plain means.
    pub(crate) fn best_bandwidth(&self) -> (Option<f64>, BTreeMap<u32, LeftOut>) {
        let spread = |left: &BTreeMap<u32, LeftOut>| {
            standard_deviation(&left.values().map(|l| l.log_ratio).collect::<Vec<_>>()).unwrap_or(f64::INFINITY)
        };
        // Collected once: every bandwidth looks at the same places.
        let elsewhere: Vec<Vec<Vec<ReusePoint>>> = self
            .networks
            .iter()
            .map(|network| network.unit.keys().map(|key| self.points(key, Some(network.unit.unit))).collect())
            .collect();
        let plain = self.left_out(&elsewhere, None);
        let limit = spread(&plain) * WORTH_IT;
        let tried = BANDWIDTHS.map(|bandwidth| (Some(bandwidth), self.left_out(&elsewhere, Some(bandwidth))));
        let best = tried.into_iter().min_by(|a, b| spread(&a.1).total_cmp(&spread(&b.1)));
        best.filter(|(_, left)| spread(left) < limit).unwrap_or((None, plain))
    }

    /// Each network predicted from its layers' places `elsewhere`, in the order of the networks.
    fn left_out(&self, elsewhere: &[Vec<Vec<ReusePoint>>], bandwidth: Option<f64>) -> BTreeMap<u32, LeftOut> {
        let networks = self.networks.iter().zip(elsewhere);
        networks
            .filter_map(|(network, layers)| {
                let layers = layers.iter().zip(network.unit.network.keyed_layers());
                let sum_ns: f64 =
                    layers.map(|(points, layer)| layer_ns(points, layer.reuse_bytes, bandwidth)).sum::<Option<_>>()?;
                let log_ratio = (network.whole_ns / sum_ns).ln();
                log_ratio.is_finite().then_some((network.unit.unit, LeftOut { sum_ns, log_ratio }))
            })
            .collect()
    }
}

/// Logarithm of the mean time in each network.
fn network_logs(places: &[Place]) -> Vec<f64> {
    let mut networks: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for place in places {
        networks.entry(place.unit).or_default().push(place.mean_ns);
    }
    networks.values().filter_map(|times| mean(times)).map(f64::ln).filter(|log| log.is_finite()).collect()
}

/// A network predicted from the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LeftOut {
    /// Sum of its layers, as an estimate would have it before the scale, nanoseconds.
    pub(crate) sum_ns: f64,
    /// Logarithm of measured whole over that sum.
    pub(crate) log_ratio: f64,
}

/// A layer's time at a reuse distance; without a bandwidth the mean over all places.
fn layer_ns(points: &[ReusePoint], bytes: u64, bandwidth: Option<f64>) -> Option<f64> {
    match bandwidth {
        Some(bandwidth) => time_at(points, bytes, bandwidth),
        None => {
            let weighted: Vec<f64> =
                points.iter().flat_map(|p| std::iter::repeat_n(p.mean_ns, p.places as usize)).collect();
            mean(&weighted)
        }
    }
}
