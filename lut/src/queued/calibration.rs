//! From layers to the latencies other than `queue`.

use nasprof_base::statistics::mean;
use nasprof_graph::Arch;
use nasprof_profiler::protocol::Timing;
use serde::{Deserialize, Serialize};

use super::two_queues::{LaunchedLayer, answers_ns};

/// Extra data in the LUT of a processor with a queue, beside rows and calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queued {
    /// The cost of a mark between two layers in the sessions; it was subtracted from every row.
    pub timer_ns: f64,
    /// From layers to the latencies other than `queue`.
    pub timings: Vec<TimingCalibration>,
}

impl Queued {
    /// Whether it predicts a latency.
    #[must_use]
    pub fn tells(&self, timing: Timing) -> bool {
        timing == Timing::Queue || self.calibration(timing).is_some()
    }

    /// The calibration of a latency; `None` for `queue`, which uses the LUT's own.
    #[must_use]
    pub fn calibration(&self, timing: Timing) -> Option<&TimingCalibration> {
        self.timings.iter().find(|calibration| calibration.timing == timing)
    }

    /// The data of a merged LUT: the latencies that all parts predict. An anchor's architecture means something in its
    /// own space only.
    pub(crate) fn merged(all: &[Option<&Self>], one_space: bool) -> Option<Self> {
        let all = all.iter().copied().collect::<Option<Vec<&Self>>>()?;
        let of_all = |timing| {
            let own = all.iter().map(|queued| queued.calibration(timing)).collect::<Option<Vec<_>>>()?;
            let average = |of: fn(&TimingCalibration) -> f64| mean(&own.iter().map(|c| of(c)).collect::<Vec<_>>());
            let widest = |of: fn(&TimingCalibration) -> f64| own.iter().map(|c| of(c)).fold(0.0, f64::max);
            let mut anchors: Vec<TimingAnchor> = Vec::new();
            for anchor in own.iter().flat_map(|c| &c.anchors).filter(|_| one_space) {
                if !anchors.iter().any(|known| known.arch == anchor.arch) {
                    anchors.push(anchor.clone());
                }
            }
            Some(TimingCalibration {
                timing,
                scale: average(|c| c.scale)?,
                layer_ns: average(|c| c.layer_ns)?,
                call_ns: average(|c| c.call_ns)?,
                networks: own.iter().map(|c| c.networks).sum(),
                leave_one_out: widest(|c| c.leave_one_out),
                shape_half_width: widest(|c| c.shape_half_width),
                level_half_width: widest(|c| c.level_half_width),
                anchors,
            })
        };
        Some(Self {
            timer_ns: mean(&all.iter().map(|queued| queued.timer_ns).collect::<Vec<_>>())?,
            timings: [Timing::Graph, Timing::Wall].into_iter().filter_map(of_all).collect(),
        })
    }
}

/// `latency = scale * time + layer_ns * layers + call_ns`. The time is the sum of the kernels for `graph`, and the end of
/// both queues for `wall`. At most one of the constants is used; left-out networks decide which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimingCalibration {
    /// Which latency.
    pub timing: Timing,
    /// The factor.
    pub scale: f64,
    /// Nanoseconds of each layer beside its time; negative if the gaps between kernels are shorter than in a queue.
    pub layer_ns: f64,
    /// Nanoseconds of each call.
    pub call_ns: f64,
    /// Networks it was fitted to.
    pub networks: usize,
    /// Root mean square of the relative errors when each of them is predicted from the others.
    pub leave_one_out: f64,
    /// Relative half-width, 95 %, for the ratio of one network to another.
    pub shape_half_width: f64,
    /// Relative half-width, 95 %, for the level of a session not measured yet.
    pub level_half_width: f64,
    /// The anchors, for the level of later sessions.
    pub anchors: Vec<TimingAnchor>,
}

/// An anchor's time, from its layers in the other networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimingAnchor {
    /// Its architecture.
    pub arch: Arch,
    /// Its time before the calibration, nanoseconds.
    pub time_ns: f64,
    /// Its layers.
    pub layers: usize,
}

impl TimingCalibration {
    /// The time of a network before the calibration: the delay by each layer.
    pub(super) fn times<'a>(
        &self,
        layers: impl IntoIterator<Item = LaunchedLayer> + 'a,
    ) -> Box<dyn Iterator<Item = f64> + 'a> {
        match self.timing {
            Timing::Wall => Box::new(answers_ns(layers)),
            Timing::Queue | Timing::Graph => Box::new(layers.into_iter().map(|layer| layer.kernel_ns)),
        }
    }

    /// Milliseconds of a network whose time before the calibration is known.
    pub(crate) fn ms(&self, time_ns: f64, layers: usize) -> f64 {
        (self.scale * time_ns + self.layer_ns * layers as f64 + self.call_ns) / 1e6
    }

    /// Milliseconds of a network.
    pub(crate) fn latency_ms(&self, layers: impl ExactSizeIterator<Item = LaunchedLayer>) -> f64 {
        let count = layers.len();
        let time_ns: f64 = self.times(layers).sum();
        self.ms(time_ns, count)
    }

    /// The part of each layer in the latency, milliseconds; the parts add up to the latency.
    pub(crate) fn shares_ms(&self, layers: impl ExactSizeIterator<Item = LaunchedLayer>) -> Vec<f64> {
        let count = layers.len().max(1) as f64;
        self.times(layers).map(|ns| (self.scale * ns + self.layer_ns + self.call_ns / count) / 1e6).collect()
    }

    /// The part of a layer in a network that is bound by launches or by kernels like the layer itself, milliseconds.
    /// For costs that are added up without the network.
    pub(crate) fn layer_ms(&self, layer: LaunchedLayer) -> f64 {
        let ns = match self.timing {
            Timing::Wall => layer.kernel_ns.max(layer.launch_ns),
            Timing::Queue | Timing::Graph => layer.kernel_ns,
        };
        (self.scale * ns + self.layer_ns).max(0.0) / 1e6
    }
}
