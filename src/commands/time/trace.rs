//! The trace of a run.

use nasprof_graph::LoweredNetwork;
use nasprof_render::trace::{TracedLayer, TracedRun, chrome_trace};

/// One run of each network, in Chrome's trace event format.
pub(super) fn text(device: &str, names: &[String], networks: &[&LoweredNetwork], times: &[Vec<u64>]) -> String {
    let run = |((name, network), times): ((&String, &&LoweredNetwork), &Vec<u64>)| {
        let layers = network.keyed_layers().iter().zip(times).map(|(layer, &ns)| {
            let node = network.node(layer.node);
            TracedLayer {
                name: node.name.clone(),
                op: node.op.name().to_owned(),
                key: layer.key.to_string(),
                macs: layer.cost.macs,
                params: layer.cost.params,
                ns,
            }
        });
        TracedRun { name: name.clone(), layers: layers.collect() }
    };
    let runs: Vec<TracedRun> = names.iter().zip(networks).zip(times).map(run).collect();
    chrome_trace(device, &runs)
}
