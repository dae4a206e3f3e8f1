//! Networks with their quantities, and their comparison.

use nasprof_graph::Arch;
use nasprof_lut::Predictor;
use nasprof_spaces::Space;

/// A network with all its quantities.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Its architecture.
    pub arch: Arch,
    /// Latency by the LUT, in milliseconds.
    pub latency_ms: f64,
    /// Latency by the second LUT in milliseconds, if there is one.
    pub other_ms: Option<f64>,
    /// Trainable parameters.
    pub params: u64,
    /// Multiply-accumulates.
    pub macs: u64,
}

/// A quantity and its better direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// The least latency.
    Latency,
    /// The least latency by the second LUT.
    OtherLatency,
    /// Parameters.
    Params {
        /// Whether fewer are better.
        least: bool,
    },
    /// Multiply-accumulates.
    Macs {
        /// Whether fewer are better.
        least: bool,
    },
}

impl Axis {
    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency_ms",
            Self::OtherLatency => "other_latency_ms",
            Self::Params { .. } => "params",
            Self::Macs { .. } => "macs",
        }
    }

    /// The value of a network.
    #[must_use]
    pub fn of(self, network: &Network) -> f64 {
        match self {
            Self::Latency => network.latency_ms,
            Self::OtherLatency => network.other_ms.unwrap_or(f64::NAN),
            Self::Params { .. } => network.params as f64,
            Self::Macs { .. } => network.macs as f64,
        }
    }

    /// 1 if less is better, else -1.
    pub(super) fn sign(self) -> f64 {
        match self {
            Self::Params { least: false } | Self::Macs { least: false } => -1.0,
            _ => 1.0,
        }
    }

    /// The value to minimise: the negative value if more is better.
    pub(super) fn cost(self, network: &Network) -> f64 {
        self.sign() * self.of(network)
    }
}

/// Upper bounds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// On the latency, in milliseconds.
    pub latency_ms: Option<f64>,
    /// On the latency by the second LUT, in milliseconds.
    pub other_ms: Option<f64>,
    /// On the parameters.
    pub params: Option<f64>,
    /// On the multiply-accumulates.
    pub macs: Option<f64>,
}

impl Limits {
    /// The limits that are set.
    pub(super) fn set(&self) -> impl Iterator<Item = (Axis, f64)> {
        let all = [
            (Axis::Latency, self.latency_ms),
            (Axis::OtherLatency, self.other_ms),
            (Axis::Params { least: true }, self.params),
            (Axis::Macs { least: true }, self.macs),
        ];
        all.into_iter().filter_map(|(axis, limit)| Some((axis, limit?)))
    }

    /// The quantity `first`, followed by the limited ones.
    pub(super) fn axes(&self, first: Axis) -> Vec<Axis> {
        [first].into_iter().chain(self.set().map(|(axis, _)| axis)).collect()
    }

    /// Whether a network is within the limits.
    #[must_use]
    pub fn allow(&self, network: &Network) -> bool {
        self.set().all(|(axis, limit)| axis.of(network) <= limit)
    }

    /// Relative excess of a network, summed over the limits; 0 within the limits.
    pub(super) fn excess(&self, network: &Network) -> f64 {
        self.set().map(|(axis, limit)| (axis.of(network) / limit - 1.0).max(0.0)).sum()
    }
}

/// Predicts networks by one LUT or two.
#[derive(Debug, Clone)]
pub struct Predictors<'a> {
    /// By the first LUT.
    pub first: Predictor<'a>,
    /// By the second.
    pub second: Option<Predictor<'a>>,
}

impl<'a> Predictors<'a> {
    /// The space, from the first predictor.
    pub(super) fn space(&self) -> &'a Space {
        self.first.space()
    }

    pub(super) fn is_fast(&self) -> bool {
        self.first.is_fast() && self.second.as_ref().is_none_or(Predictor::is_fast)
    }

    /// A value of a quantity in a form that can be a sum over the choices: a latency as the sum of its layers, of which it is an
    /// increasing function.
    pub(super) fn as_sum(&self, axis: Axis, value: f64) -> f64 {
        match (axis, &self.second) {
            (Axis::Latency, _) => self.first.latency_of_sum().sum_ms(value),
            (Axis::OtherLatency, Some(second)) => second.latency_of_sum().sum_ms(value),
            _ => value,
        }
    }

    /// The quantities of an architecture; `None` if a LUT lacks one of its layers, or if it is not one of the space.
    pub fn network(&mut self, arch: Arch) -> Option<Network> {
        let first = self.first.predict(&arch).ok()?;
        let other_ms = match &mut self.second {
            Some(second) => Some(second.predict(&arch).ok()?.latency_ms?),
            None => None,
        };
        Some(Network { latency_ms: first.latency_ms?, other_ms, params: first.params, macs: first.macs, arch })
    }
}

/// The best distinct networks by a quantity; equal ones are in the order of selections.
pub(super) fn best(mut networks: Vec<Network>, axis: Axis, top: usize) -> Vec<Network> {
    networks.sort_by(|a, b| axis.cost(a).total_cmp(&axis.cost(b)).then_with(|| a.arch.cmp(&b.arch)));
    networks.dedup_by(|a, b| a.arch == b.arch);
    networks.truncate(top);
    networks
}

/// The Pareto front of two quantities, sorted by the first; of equal networks, the first in the order of selections.
pub(super) fn front(mut networks: Vec<Network>, [first, second]: [Axis; 2]) -> Vec<Network> {
    networks.sort_by(|a, b| {
        let by = |axis: Axis| axis.cost(a).total_cmp(&axis.cost(b));
        by(first).then(by(second)).then_with(|| a.arch.cmp(&b.arch))
    });
    let mut least = f64::INFINITY;
    networks.retain(|network| {
        let cost = second.cost(network);
        let is_better = cost < least;
        least = least.min(cost);
        is_better
    });
    networks
}

/// Settings for sampling networks if no exact answer is possible.
#[derive(Debug, Clone, Copy)]
pub struct SampleSettings {
    /// Number of initial samples.
    pub samples: u32,
    /// Seed of the samples.
    pub seed: u64,
}

impl SampleSettings {
    /// The number of samples. Without a batch form it is lower, since each prediction builds a graph.
    pub(super) fn count(self, is_fast: bool) -> u32 {
        const SLOWER: u32 = 50;
        if is_fast { self.samples } else { (self.samples / SLOWER).max(1) }
    }
}
