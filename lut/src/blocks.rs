//! A predicted network's latency by block.

use nasprof_graph::outline::module_name;
use serde::Serialize;

use crate::Estimate;

/// Consecutive layers of one block, such as `blocks/3` or `stem` in the names of the nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BlockEstimate {
    /// Its name.
    pub name: String,
    /// Its layers.
    pub layers: usize,
    /// Milliseconds of its layers; absent if one of them has no entry.
    pub latency_ms: Option<f64>,
    /// Share of the network's time.
    pub share: Option<f64>,
}

impl Estimate {
    /// The blocks, in the order in which they run.
    #[must_use]
    pub fn blocks(&self) -> Vec<BlockEstimate> {
        let mut blocks: Vec<BlockEstimate> = Vec::new();
        for node in &self.nodes {
            let name = module_name(&node.name);
            match blocks.last_mut() {
                Some(block) if block.name == name => {
                    block.layers += 1;
                    block.latency_ms = block.latency_ms.zip(node.latency_ms).map(|(sum, ms)| sum + ms);
                    block.share = block.share.zip(node.share).map(|(sum, share)| sum + share);
                }
                _ => blocks.push(BlockEstimate { name, layers: 1, latency_ms: node.latency_ms, share: node.share }),
            }
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use nasprof_graph::{LayerKey, Op, Shape};

    use super::*;
    use crate::{NodeEstimate, Source};

    #[test]
    fn layers_add_up_to_blocks_and_an_unknown_one_makes_its_block_unknown() {
        let node = |name: &str, latency_ms: Option<f64>| NodeEstimate {
            name: name.to_owned(),
            key: LayerKey::new(&Op::Relu, &[&Shape(vec![1, 2])]),
            latency_ms,
            share: latency_ms.map(|ms| ms / 10.0),
            source: Source::Measured,
        };
        let nodes = vec![
            node("stem/conv", Some(1.0)),
            node("blocks/0/a", Some(2.0)),
            node("blocks/0/b", Some(3.0)),
            node("blocks/1/a", Some(4.0)),
            node("blocks/1/b", None),
        ];
        let estimate = Estimate {
            latency_ms: None,
            interval_ms: None,
            shape_half_width: None,
            level_half_width: None,
            params: 0,
            macs: 0,
            peak_memory_bytes: 0,
            energy: None,
            coverage: 0.8,
            flags: Vec::new(),
            nodes,
        };
        let blocks = estimate.blocks();
        let said: Vec<_> = blocks.iter().map(|b| (b.name.as_str(), b.layers, b.latency_ms)).collect();
        assert_eq!(said, [("stem", 1, Some(1.0)), ("blocks/0", 2, Some(5.0)), ("blocks/1", 2, None)]);
        assert_eq!(blocks[1].share, Some(0.5));
    }
}
