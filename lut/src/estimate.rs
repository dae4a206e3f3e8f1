//! Predicting a network from the LUT: prune, look up, sum, calibrate, and say how sure.

use std::collections::{BTreeMap, HashMap};

use nasprof_graph::reuse::reuse_bytes;
use nasprof_graph::{Graph, LayerKey};
use serde::Serialize;

use crate::memory::Workspaces;
use crate::reuse::time_at;
use crate::{Flag, Lut, LutError, Row};

/// Where a layer's number came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An entry of exactly this layer.
    Measured,
    /// The LUT does not know the layer.
    Missing,
    /// The layer does not run on the device, and why.
    Failed(String),
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
    /// 95 % interval for a run in a session of its own: shape and level together.
    pub interval_ms: Option<[f64; 2]>,
    /// Trainable parameters.
    pub params: u64,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Parameters, and the most alive at once of activations and the measured workspace of the layer that runs, bytes.
    pub peak_memory_bytes: u64,
    /// Share of layers with an entry.
    pub coverage: f64,
    /// Whether a calibration was applied, and all flags of the rows used.
    pub flags: Vec<String>,
    /// The layers.
    pub nodes: Vec<NodeEstimate>,
}

/// Predicts networks from one LUT.
#[derive(Debug)]
pub struct Estimator<'a> {
    lut: &'a Lut,
    rows: HashMap<&'a LayerKey, &'a Row>,
    scale: f64,
    workspaces: Workspaces,
}

impl<'a> Estimator<'a> {
    /// An estimator.
    #[must_use]
    pub fn new(lut: &'a Lut) -> Self {
        let rows = lut.rows.iter().map(|row| (&row.key, row)).collect();
        let scale = lut.context.calibration.as_ref().map_or(1.0, |c| c.scale);
        Self { lut, rows, scale, workspaces: Workspaces::new(lut) }
    }

    /// Calibrated milliseconds of one layer in the mean over its places.
    #[must_use]
    pub fn layer_ms(&self, key: &LayerKey) -> Option<f64> {
        Some(self.rows.get(key)?.times.as_ref()?.mean_ns * self.scale / 1e6)
    }

    /// Calibrated milliseconds of one layer at a reuse distance ([`reuse_bytes`]).
    fn layer_at_ms(&self, key: &LayerKey, bytes: u64) -> Option<f64> {
        let times = self.rows.get(key)?.times.as_ref()?;
        let bandwidth = self.lut.context.calibration.as_ref().and_then(|c| c.reuse_bandwidth);
        let near = bandwidth.and_then(|bandwidth| time_at(&times.reuse, bytes, bandwidth));
        Some(near.unwrap_or(times.mean_ns) * self.scale / 1e6)
    }

    /// Calibrated milliseconds of a network that is already as the runtime executes it; `None` if a layer is missing.
    #[must_use]
    pub fn latency_ms(&self, graph: &Graph) -> Option<f64> {
        let layers = graph.layers().zip(reuse_bytes(graph));
        layers.map(|((_, node), bytes)| self.layer_at_ms(&LayerKey::of(graph, node), bytes)).sum()
    }

    /// The same from the means over all places, whatever runs before a layer: what choices contribute is then
    /// independent, which the batch form and expected values need.
    #[must_use]
    pub fn mean_latency_ms(&self, graph: &Graph) -> Option<f64> {
        graph.layers().map(|(_, node)| self.layer_ms(&LayerKey::of(graph, node))).sum()
    }

    /// Predicts a network that is already as the runtime executes it.
    #[must_use]
    pub fn estimate(&self, graph: &Graph) -> Estimate {
        let latency_ms = self.latency_ms(graph);
        let mut flags: BTreeMap<Flag, ()> = BTreeMap::new();
        let mut known = 0_usize;
        let nodes: Vec<NodeEstimate> = graph
            .layers()
            .zip(reuse_bytes(graph))
            .map(|((_, node), bytes)| {
                let key = LayerKey::of(graph, node);
                let row = self.rows.get(&key);
                let layer_ms = self.layer_at_ms(&key, bytes);
                let source = match row {
                    None => Source::Missing,
                    Some(Row { times: None, error, .. }) => Source::Failed(error.clone().unwrap_or_default()),
                    Some(_) => Source::Measured,
                };
                known += usize::from(layer_ms.is_some());
                for flag in row.iter().flat_map(|r| &r.flags) {
                    flags.insert(*flag, ());
                }
                let share = latency_ms.and_then(|total| Some(layer_ms? / total));
                NodeEstimate { name: node.name.clone(), key, latency_ms: layer_ms, share, source }
            })
            .collect();
        let cost = graph.cost();
        let mut flags: Vec<String> =
            flags.keys().filter_map(|flag| serde_json::to_value(flag).ok()?.as_str().map(ToOwned::to_owned)).collect();
        if self.lut.context.calibration.is_none() {
            flags.push("uncalibrated".to_owned());
        }
        Estimate {
            latency_ms,
            interval_ms: latency_ms.and_then(|ms| self.interval(ms)),
            params: cost.params,
            macs: cost.macs,
            peak_memory_bytes: self.workspaces.peak_bytes(graph),
            coverage: if nodes.is_empty() { 1.0 } else { known as f64 / nodes.len() as f64 },
            flags,
            nodes,
        }
    }

    /// Shape and level are independent, so their half-widths add in squares. Without a calibration nothing is known.
    fn interval(&self, ms: f64) -> Option<[f64; 2]> {
        let calibration = self.lut.context.calibration.as_ref()?;
        let half = calibration.shape_half_width.hypot(calibration.level_half_width);
        Some([ms * (-half).exp(), ms * half.exp()])
    }
}

impl Lut {
    /// Refuses a LUT whose context differs in any of the named values.
    ///
    /// # Errors
    /// What differs.
    pub fn expect(&self, wanted: &[(&str, Option<String>)]) -> Result<(), LutError> {
        let header = &self.context.header;
        let differs: Vec<String> = wanted
            .iter()
            .filter_map(|(name, value)| {
                let actual = match *name {
                    "device" => header.device.clone(),
                    "backend" => header.backend.clone(),
                    "space" => header.space.clone(),
                    "space_digest" => header.space_digest.clone(),
                    "batch" => header.batch.to_string(),
                    "threads" => header.threads.to_string(),
                    "allocator" => header.allocator.name().to_owned(),
                    fact => self.context.facts.get(fact).cloned().unwrap_or_default(),
                };
                let value = value.as_ref()?;
                (*value != actual).then(|| format!("{name} is `{actual}` in the LUT, `{value}` is asked for"))
            })
            .collect();
        if differs.is_empty() { Ok(()) } else { Err(LutError::Context(differs.join("; "))) }
    }
}
