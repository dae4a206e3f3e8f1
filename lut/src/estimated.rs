//! The contents of an estimate: a network and its layers.

use nasprof_graph::LayerKey;
use serde::Serialize;

use crate::Flag;
use crate::energy::EnergyEstimate;

/// Where a layer's number came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An entry for exactly this layer.
    Measured,
    /// An entry for exactly this layer, from another program's table.
    Imported,
    /// Between entries of smaller and larger layers of its kind.
    Interpolated,
    /// The LUT does not know the layer.
    Missing,
    /// The layer does not run on the device, and why.
    Failed(String),
}

/// A caveat of an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EstimateFlag {
    /// The LUT has no calibration: the sum of the layers, without an interval.
    Uncalibrated,
    /// Some layer's time was interpolated.
    Interpolated,
    /// A row in use has this flag.
    #[serde(untagged)]
    Row(Flag),
}

impl EstimateFlag {
    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uncalibrated => "uncalibrated",
            Self::Interpolated => "interpolated",
            Self::Row(flag) => flag.name(),
        }
    }
}

/// One layer of an estimated network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeEstimate {
    /// Its name in the graph.
    pub name: String,
    /// Its key.
    pub key: LayerKey,
    /// Milliseconds, calibrated; absent if the LUT has none.
    pub latency_ms: Option<f64>,
    /// Share of the network's time.
    pub share: Option<f64>,
    /// Where the number came from.
    pub source: Source,
}

/// A predicted network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Milliseconds; absent unless every layer has an entry: a partial sum would be a plausible wrong number.
    pub latency_ms: Option<f64>,
    /// 95 % interval for a run in another session: shape and level together.
    pub interval_ms: Option<[f64; 2]>,
    /// Relative half-width, 95 %, for the ratio to other networks at the same level.
    pub shape_half_width: Option<f64>,
    /// Relative half-width, 95 %, for the level of another session.
    pub level_half_width: Option<f64>,
    /// Trainable parameters.
    pub params: u64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Bytes of the parameters, plus the peak of live activations with the measured workspace of the running layer.
    pub peak_memory_bytes: u64,
    /// Energy of one call; absent unless the energy of every layer was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy: Option<EnergyEstimate>,
    /// Share of layers with an entry.
    pub coverage: f64,
    /// Caveats: all flags of the rows used, then its own. Rows with wide intervals count only if they are 1 % of the
    /// network or more.
    pub flags: Vec<EstimateFlag>,
    /// The layers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeEstimate>,
}
