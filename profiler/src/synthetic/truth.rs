//! The true times of a synthetic device: a roofline with a fixed quirk for every layer.

use nasprof_graph::{Graph, LayerKey, Node};

/// Cost of a whole run besides its layers.
pub const WHOLE_OVERHEAD_NS: f64 = 500.0;

/// True nanoseconds of a layer: overhead plus the larger of arithmetic and memory time, multiplied by a quirk between 0.8
/// and 1.25 that depends only on the key.
#[must_use]
pub fn layer_truth_ns(graph: &Graph, node: &Node) -> f64 {
    let cost = graph.node_cost(node);
    let arithmetic = cost.macs as f64 / 16.0;
    let traffic = (cost.bytes_read + cost.bytes_written) as f64 / 8.0;
    let quirk = 1.25_f64.powf(2.0 * hash(LayerKey::of(graph, node).as_str()) - 1.0);
    (1000.0 + arithmetic.max(traffic)) * quirk
}

/// True nanoseconds of a network: the sum of its layers and the overhead of a run.
#[must_use]
pub fn network_truth_ns(graph: &Graph) -> f64 {
    graph.layers().map(|(_, node)| layer_truth_ns(graph, node)).sum::<f64>() + WHOLE_OVERHEAD_NS
}

/// FNV-1a, scaled to [0, 1).
pub(super) fn hash(text: &str) -> f64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
