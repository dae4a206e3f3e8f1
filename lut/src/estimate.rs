//! Predicts a network from the LUT: prune, look up, sum, calibrate, and compute the interval.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use nasprof_base::statistics::mean;
use nasprof_graph::{Arch, LayerKey, LoweredLayer, LoweredNetwork};
use nasprof_profiler::engine::WEIGHT;
use nasprof_profiler::protocol::Timing;
use nasprof_spaces::Space;

use crate::energy::{EnergyEstimate, EnergyScale};
use crate::estimated::{Estimate, EstimateFlag, NodeEstimate, Source};
use crate::interpolate::Interpolator;
use crate::memory::LayerMemory;
use crate::queued::LaunchedLayer;
use crate::reuse::{ReuseCurve, time_at};
use crate::reuse_table::ReuseTable;
use crate::size_effect::LatencyOfSum;
use crate::{Anchor, CurrentLevel, Flag, Lut, Row, SizeEffect, TimingCalibration};

/// Predicts networks from one LUT.
#[derive(Debug)]
pub struct Estimator<'a> {
    pub(crate) lut: &'a Lut,
    rows: HashMap<&'a LayerKey, &'a Row>,
    scale: f64,
    /// Of the latency that it estimates, at its level.
    size_effect: Option<SizeEffect>,
    layer_ns: f64,
    /// The level that estimates are at; the LUT's if absent.
    level: Option<CurrentLevel>,
    /// How another latency than the LUT's own follows from the layers.
    timing: Option<&'a TimingCalibration>,
    /// The mean time to launch a layer, for one whose launch was not measured.
    usual_launch_ns: f64,
    energy_scale: Option<EnergyScale>,
    memory: LayerMemory,
    interpolator: Interpolator,
}

/// The scale and the size effect of a LUT's calibration. Another latency than the LUT's own has no size effect.
fn calibrated(lut: &Lut, timing: Option<&TimingCalibration>) -> (f64, Option<SizeEffect>) {
    let calibration = lut.context.calibration.as_ref();
    let size_effect = calibration.filter(|_| timing.is_none()).and_then(|c| c.size_effect);
    (calibration.map_or(1.0, |c| c.scale), size_effect)
}

impl<'a> Estimator<'a> {
    /// An estimator for the latency that the LUT's context names.
    #[must_use]
    pub fn new(lut: &'a Lut) -> Self {
        let timing = lut.context.header.timing;
        Self::with(lut, timing.and_then(|timing| lut.context.queued.as_ref()?.calibration(timing)))
    }

    /// The kind of GPU latency that it estimates; `queue` also for a device with a single kind.
    #[must_use]
    pub fn timing(&self) -> Timing {
        self.timing.map_or(Timing::Queue, |calibration| calibration.timing)
    }

    fn with(lut: &'a Lut, timing: Option<&'a TimingCalibration>) -> Self {
        let rows = lut.rows.iter().map(|row| (&row.key, row)).collect();
        let (scale, size_effect) = calibrated(lut, timing);
        let counted = |anchor: &Anchor| Some((anchor.energy.as_ref()?.energy_mj, anchor.layers_energy_mj?));
        let energy_scale = EnergyScale::fit(lut.context.anchors.iter().filter_map(counted));
        let (memory, interpolator) = (LayerMemory::new(lut), Interpolator::new(&lut.rows));
        let launches: Vec<f64> = lut.rows.iter().filter_map(|row| row.launch_ns).collect();
        let usual_launch_ns = mean(&launches).unwrap_or(0.0);
        let layer_ns = lut.context.calibration.as_ref().map_or(0.0, |c| c.layer_ns);
        let level = None;
        Self {
            lut,
            rows,
            scale,
            size_effect,
            layer_ns,
            level,
            timing,
            usual_launch_ns,
            energy_scale,
            memory,
            interpolator,
        }
    }

    /// The same at a measured level: estimates are for now, with an interval to match.
    #[must_use]
    pub fn at_level(self, level: CurrentLevel) -> Self {
        let (scale, of_lut) = calibrated(self.lut, self.timing);
        let change = level.size_effect.filter(|_| self.timing.is_none());
        let changed = change.map(|change| SizeEffect::changed(of_lut, change));
        let (size_effect, factor) = changed.map_or((of_lut, 1.0), |(effect, factor)| (Some(effect), factor));
        Self { scale: scale * level.level * factor, size_effect, level: Some(level), ..self }
    }

    /// Calibrated milliseconds of one layer, as the mean over its occurrences.
    #[must_use]
    pub fn layer_ms(&self, key: &LayerKey) -> Option<f64> {
        if self.is_free(key) {
            return Some(0.0);
        }
        let mean_ns = self.rows.get(key)?.times.as_ref()?.mean_ns;
        Some(match self.timing_calibration() {
            Some((timing, level)) => level * timing.layer_ms(self.launched(key, mean_ns)),
            None => (mean_ns + self.layer_ns) * self.scale / 1e6,
        })
    }

    /// A layer's mean time and launch, for latencies that need both.
    pub(crate) fn launched_layer(&self, key: &LayerKey) -> Option<LaunchedLayer> {
        Some(self.launched(key, self.rows.get(key)?.times.as_ref()?.mean_ns))
    }

    /// How another latency than the LUT's own follows from the layers, and the level that it is at.
    pub(crate) fn timing_calibration(&self) -> Option<(&'a TimingCalibration, f64)> {
        Some((self.timing?, self.level.as_ref().map_or(1.0, |now| now.level)))
    }

    fn launched(&self, key: &LayerKey, kernel_ns: f64) -> LaunchedLayer {
        let launch_ns = self.rows.get(key).and_then(|row| row.launch_ns).unwrap_or(self.usual_launch_ns);
        LaunchedLayer { launch_ns, kernel_ns }
    }

    /// Whether another layer does this layer's work: NNabla's fully connected layer flattens its operand itself.
    fn is_free(&self, key: &LayerKey) -> bool {
        let imported = self.lut.context.imported.as_ref();
        imported.is_some_and(|imported| imported.format == "nnabla")
            && key.as_str().starts_with("flatten(")
            && !self.rows.contains_key(key)
    }

    /// The latency of a network as a function of the sum of its layers.
    #[must_use]
    pub fn latency_of_sum(&self) -> LatencyOfSum {
        LatencyOfSum { effect: self.size_effect, ms_per_ns: self.scale / 1e6 }
    }

    /// The layers of a network, each at its reuse distance.
    fn layers<'n>(&self, network: &'n LoweredNetwork) -> Vec<(&'n LoweredLayer, Layer)> {
        let ms_per_ns = if self.timing.is_some() { 1e-6 } else { self.scale / 1e6 };
        let layers = network.keyed_layers().iter().map(|layer| (layer, self.layer(network, layer, ms_per_ns)));
        let mut layers: Vec<(&LoweredLayer, Layer)> = layers.collect();
        // If a layer is missing, there is no latency, so shares would be meaningless.
        let known = layers.iter().map(|(layer, own)| Some(self.launched(&layer.key, own.ms? * 1e6)));
        if let (Some((timing, level)), Some(known)) = (self.timing_calibration(), known.collect::<Option<Vec<_>>>()) {
            let shares = timing.shares_ms(known.into_iter());
            layers.iter_mut().zip(shares).for_each(|((_, layer), share)| layer.ms = Some(level * share));
        } else if let Some(sum_ms) = total(layers.iter().map(|(_, layer)| layer.ms)).filter(|ms| *ms > 0.0) {
            let factor = self.latency_of_sum().latency_ms(sum_ms) / sum_ms;
            layers.iter_mut().for_each(|(_, layer)| layer.ms = layer.ms.map(|ms| ms * factor));
        }
        layers
    }

    fn layer(&self, network: &LoweredNetwork, layer: &LoweredLayer, ms_per_ns: f64) -> Layer {
        if self.is_free(&layer.key) {
            return Layer { ms: Some(0.0), relative_error: 0.0, source: Source::Imported };
        }
        let (ns, relative_error, source) = match self.rows.get(&layer.key) {
            Some(Row { times: Some(times), .. }) => {
                let bandwidth = self.lut.context.calibration.as_ref().and_then(|c| c.reuse_bandwidth);
                let near = bandwidth.and_then(|bandwidth| time_at(&times.reuse, layer.reuse_bytes, bandwidth));
                let imported = self.lut.context.imported.is_some();
                let source = if imported { Source::Imported } else { Source::Measured };
                (Some(near.unwrap_or(times.mean_ns)), 0.0, source)
            }
            Some(Row { error, .. }) => (None, 0.0, Source::Failed(error.clone().unwrap_or_default())),
            None => {
                let node = network.node(layer.node);
                match self.interpolator.time(&node.op, &network.input_shapes(node), &node.shape) {
                    Some(between) => (Some(between.ns), between.relative_error, Source::Interpolated),
                    None => (None, 0.0, Source::Missing),
                }
            }
        };
        Layer { ms: ns.map(|ns| (ns + self.layer_ns) * ms_per_ns), relative_error, source }
    }

    /// Whether the LUT has an entry for every layer that an architecture of a space runs.
    #[must_use]
    pub fn predicts(&self, space: &Space, arch: &Arch) -> bool {
        let network = self.lut.context.header.runtime.subnet(&space.graph, arch).ok();
        network.and_then(|network| self.latency_ms(&network)).is_some()
    }

    /// Calibrated milliseconds of a network that is already as the runtime executes it; `None` if a layer is missing.
    #[must_use]
    pub fn latency_ms(&self, network: &LoweredNetwork) -> Option<f64> {
        self.positive(total(self.layers(network).iter().map(|(_, layer)| layer.ms)))
    }

    /// A latency, unless the fit subtracts so much for each layer that nothing is left: then it does not hold for this
    /// network.
    fn positive(&self, latency_ms: Option<f64>) -> Option<f64> {
        latency_ms.filter(|ms| self.timing.is_none() || *ms > 0.0)
    }

    /// Calibrated milliseconds of an anchor, only from its layers' occurrences in the other networks. Its error is then
    /// that of a network that was never measured, and a level from it does not claim too much certainty.
    #[must_use]
    pub fn anchor_ms(&self, arch: &Arch) -> Option<f64> {
        if let Some((timing, level)) = self.timing_calibration() {
            let anchor = timing.anchors.iter().find(|anchor| anchor.arch == *arch)?;
            return Some(level * timing.ms(anchor.time_ns, anchor.layers));
        }
        let anchor = self.lut.context.anchors.iter().find(|anchor| anchor.arch == *arch)?;
        Some(anchor.sum_ns * self.scale / 1e6)
    }

    /// [`Estimator::latency_ms`] from the means over all occurrences of a layer, whatever runs before it.
    #[must_use]
    pub fn mean_latency_ms(&self, network: &LoweredNetwork) -> Option<f64> {
        Some(self.latency_of_sum().latency_ms(self.mean_sum_ms(network)?))
    }

    /// The sum of the layers' means before the size effect; choices contribute to it independently. For a latency other
    /// than the LUT's own, the value that follows from the layers' means, which need not be a sum.
    pub(crate) fn mean_sum_ms(&self, network: &LoweredNetwork) -> Option<f64> {
        let Some((timing, level)) = self.timing_calibration() else {
            return total(network.keys().map(|key| self.layer_ms(key)));
        };
        let layers = network.keys().map(|key| self.launched_layer(key)).collect::<Option<Vec<_>>>()?;
        Some(level * timing.latency_ms(layers.into_iter()))
    }

    /// A layer that was measured, at any distance, in milliseconds at a usual size. Tabulates the distances.
    pub(crate) fn layer_at(&self, key: &LayerKey) -> Option<LayerAt> {
        let times = self.rows.get(key)?.times.as_ref()?;
        let bandwidth = self.lut.context.calibration.as_ref().and_then(|c| c.reuse_bandwidth);
        let table = |bandwidth| Some(Arc::new(ReuseTable::new(ReuseCurve::new(&times.reuse)?, bandwidth)));
        let (layer_ns, ms_per_ns) = (self.layer_ns, self.scale / 1e6);
        let by_distance = bandwidth.and_then(table);
        Some(LayerAt { mean_ms: (times.mean_ns + layer_ns) * ms_per_ns, by_distance, layer_ns, ms_per_ns })
    }

    /// Predicts a network that is already as the runtime executes it.
    #[must_use]
    pub fn estimate(&self, network: &LoweredNetwork) -> Estimate {
        let layers = self.layers(network);
        let latency_ms = self.positive(total(layers.iter().map(|(_, layer)| layer.ms)));
        // Neighbours are wrong in the same way, so errors of interpolation add up linearly.
        let interpolated_ms: f64 = layers.iter().filter_map(|(_, layer)| Some(layer.relative_error * layer.ms?)).sum();
        let known =
            layers.iter().filter(|(_, layer)| matches!(layer.source, Source::Measured | Source::Imported)).count();
        let energies = layers.iter().map(|(layer, _)| self.rows.get(&layer.key)?.energy.as_ref());
        let energy = EnergyEstimate::of(energies, self.energy_scale);
        let of_rows = self.flags(&layers, latency_ms);
        let mut flags: Vec<EstimateFlag> = of_rows.into_iter().map(EstimateFlag::Row).collect();
        if self.lut.context.calibration.is_none() && self.timing.is_none() {
            flags.push(EstimateFlag::Uncalibrated);
        }
        if layers.iter().any(|(_, layer)| layer.source == Source::Interpolated) {
            flags.push(EstimateFlag::Interpolated);
        }
        let nodes: Vec<NodeEstimate> = layers
            .into_iter()
            .map(|(layer, Layer { ms, source, .. })| {
                let share = latency_ms.filter(|total| *total > 0.0).and_then(|total| Some(ms? / total));
                let name = network.node(layer.node).name.clone();
                NodeEstimate { name, key: layer.key.clone(), latency_ms: ms, share, source }
            })
            .collect();
        let cost = network.cost();
        let positive_ms = latency_ms.filter(|ms| *ms > 0.0);
        Estimate {
            latency_ms,
            interval_ms: positive_ms.and_then(|ms| self.interval(ms, interpolated_ms / ms)),
            shape_half_width: positive_ms.and_then(|ms| Some(self.half_widths(interpolated_ms / ms)?.0)),
            level_half_width: positive_ms.and_then(|ms| Some(self.half_widths(interpolated_ms / ms)?.1)),
            params: cost.params,
            macs: cost.macs,
            peak_memory_bytes: self.memory.peak_bytes(network),
            energy,
            coverage: if nodes.is_empty() { 1.0 } else { known as f64 / nodes.len() as f64 },
            flags,
            nodes,
        }
    }

    /// Flags of the rows that a network uses. A wide interval does not matter if the row is a tiny share of the
    /// network: a measurement does not wait for such rows either.
    fn flags(&self, layers: &[(&LoweredLayer, Layer)], latency_ms: Option<f64>) -> BTreeSet<Flag> {
        let mut own: HashMap<&LayerKey, f64> = HashMap::new();
        for (layer, Layer { ms, .. }) in layers {
            *own.entry(&layer.key).or_default() += ms.unwrap_or(f64::INFINITY);
        }
        let matters =
            |key: &LayerKey, flag: Flag| flag != Flag::NotConverged || own[key] >= WEIGHT * latency_ms.unwrap_or(0.0);
        let rows = own.keys().filter_map(|key| self.rows.get(*key));
        rows.flat_map(|row| row.flags.iter().copied().filter(|&flag| matters(&row.key, flag))).collect()
    }

    /// Shape and level are independent, so their half-widths add in squares. Without a calibration, neither is known.
    pub(crate) fn interval(&self, ms: f64, interpolated: f64) -> Option<[f64; 2]> {
        let (shape, level) = self.half_widths(interpolated)?;
        let half = shape.hypot(level);
        Some([ms * (-half).exp(), ms * half.exp()])
    }

    /// Half-widths of shape and level; errors of interpolation belong to the shape.
    fn half_widths(&self, interpolated: f64) -> Option<(f64, f64)> {
        let of_queue = || self.lut.context.calibration.as_ref().map(|c| (c.shape_half_width, c.level_half_width));
        let of_timing = self.timing.map(|c| (c.shape_half_width, c.level_half_width));
        let (shape, level) = of_timing.or_else(of_queue)?;
        let shape = shape.hypot(1.96 * interpolated);
        Some(match self.level {
            Some(now) => (shape.hypot(now.half_width()), now.another_process_half_width),
            None => (shape, level),
        })
    }
}

/// The sum, if all values are known. The sum of no layers is 0; Rust's own is -0.
fn total(all: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    all.sum::<Option<f64>>().map(|sum| sum + 0.0)
}

/// A layer of a network with its time.
struct Layer {
    ms: Option<f64>,
    /// Error of an interpolated time; 0 for a measured one, whose error is part of the calibration's.
    relative_error: f64,
    source: Source,
}

/// A measured layer's time by its reuse distance.
#[derive(Debug, Clone)]
pub(crate) struct LayerAt {
    /// The mean over all occurrences.
    pub(crate) mean_ms: f64,
    /// Absent if the distance predicts nothing.
    by_distance: Option<Arc<ReuseTable>>,
    layer_ns: f64,
    ms_per_ns: f64,
}

impl LayerAt {
    /// Milliseconds at a distance.
    pub(crate) fn ms(&self, reuse_bytes: u64) -> f64 {
        match &self.by_distance {
            Some(table) => (table.time_at(reuse_bytes) + self.layer_ns) * self.ms_per_ns,
            None => self.mean_ms,
        }
    }
}
