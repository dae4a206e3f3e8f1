//! The keys of a space: every layer that some architecture needs.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};

use nasprof_graph::expectation::keys_that_can_run;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::selector::Selector;
use nasprof_graph::{Arch, Graph, GraphBuilder, LayerKey, LoweredNetwork, Node, NodeId};
use nasprof_spaces::Space;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::EngineError;

/// The search for keys ends after this many architectures in a row without a new key. Then at most one network in a hundred
/// has a further key (rule of three: 3 / 300, at 95 %).
const IDLE_DRAWN: usize = 300;
const MOST_DRAWN: usize = 3000;
/// Number of architectures that are lowered in parallel.
const AT_ONCE: usize = 64;

/// A layer alone as a graph, and an architecture that contains it.
pub(super) type Witness = (Graph, Arch);

/// Every key that some architecture of the space needs, with the layer alone as a graph and an architecture that contains
/// it. The result is exact if the runtime fuses nothing and [`keys_that_can_run`] can follow the choices; otherwise it comes
/// from a random search.
///
/// # Errors
/// If the space cannot be lowered, or a layer cannot be a graph of its own.
pub fn keys_of_space(
    space: &Space,
    runtime: Runtime,
    rng: &mut ChaCha8Rng,
) -> Result<BTreeMap<LayerKey, Witness>, EngineError> {
    let mut keys = BTreeMap::new();
    let exact = keys_that_can_run(&space.graph);
    let is_exact = exact.is_some() && !runtime.fuses();
    for (key, arch) in exact.into_iter().flatten() {
        if runtime.fuses() || !keys.contains_key(&key) {
            for (key, alone) in new_layers(space, runtime, &arch, &keys)? {
                keys.entry(key).or_insert((alone, arch.clone()));
            }
        }
    }
    if !is_exact {
        search_keys(space, runtime, rng, &mut keys)?;
    }
    Ok(keys)
}

/// Changes one choice at a time on random architectures, until two passes in a row over all choices find no new key. Then
/// draws architectures until [`IDLE_DRAWN`] in a row have no new key.
fn search_keys(
    space: &Space,
    runtime: Runtime,
    rng: &mut ChaCha8Rng,
    keys: &mut BTreeMap<LayerKey, Witness>,
) -> Result<(), EngineError> {
    let mut finder = Finder { space, runtime, keys, selector: Selector::new(&space.graph), seen: HashSet::new() };
    finder.collect(vec![space.sample(rng)])?;
    let mut idle_passes = 0;
    while idle_passes < 2 && !space.choices.is_empty() {
        let base = space.sample(rng);
        let changed = space
            .choices
            .iter()
            .enumerate()
            .flat_map(|(i, choice)| (0..choice.candidates.len()).map(move |candidate| (i, candidate as u16)));
        let archs = changed.map(|(i, candidate)| {
            let mut arch = base.clone();
            arch.0[i] = candidate;
            arch
        });
        let found = finder.collect(archs.collect())?.contains(&true);
        idle_passes = if found { 0 } else { idle_passes + 1 };
    }
    // Fusion depends on several choices at a time.
    let (mut idle, mut drawn) = (0, 0);
    while idle < IDLE_DRAWN && drawn < MOST_DRAWN && !space.choices.is_empty() {
        // Draws only as many architectures as a sequential search, so that later random numbers do not depend on AT_ONCE.
        let count = AT_ONCE.min(IDLE_DRAWN - idle).min(MOST_DRAWN - drawn);
        for found in finder.collect((0..count).map(|_| space.sample(rng)).collect())? {
            idle = if found { 0 } else { idle + 1 };
        }
        drawn += count;
    }
    Ok(())
}

/// Finds the layers of architectures.
struct Finder<'a> {
    space: &'a Space,
    runtime: Runtime,
    keys: &'a mut BTreeMap<LayerKey, Witness>,
    selector: Selector,
    seen: HashSet<(NodeId, u32)>,
}

impl Finder<'_> {
    /// Adds the layers of these architectures, in order. Returns for each architecture whether a layer was new.
    fn collect(&mut self, archs: Vec<Arch>) -> Result<Vec<bool>, EngineError> {
        let wanted = archs.iter().map(|arch| self.can_have_new(arch)).collect::<Result<Vec<bool>, EngineError>>()?;
        let mut found = vec![false; archs.len()];
        let left: Vec<usize> = (0..archs.len()).filter(|&i| wanted[i]).collect();
        for part in left.chunks(AT_ONCE) {
            let (space, runtime, keys) = (self.space, self.runtime, &*self.keys);
            let new = part.par_iter().map(|&i| new_layers(space, runtime, &archs[i], keys));
            for (&i, layers) in part.iter().zip(new.collect::<Result<Vec<_>, _>>()?) {
                for (key, alone) in layers {
                    if let Entry::Vacant(entry) = self.keys.entry(key) {
                        entry.insert((alone, archs[i].clone()));
                        found[i] = true;
                    }
                }
            }
        }
        Ok(found)
    }

    /// Whether an architecture can have a new key. Lowering a network takes a thousand times as long as listing the nodes
    /// that it runs. Without fusion, a network with no new pair of node and operands has no new key.
    fn can_have_new(&mut self, arch: &Arch) -> Result<bool, EngineError> {
        if self.runtime.fuses() {
            return Ok(true);
        }
        let layers = self.selector.select(arch).map_err(|e| EngineError::Plan(e.to_string()))?;
        Ok(layers.iter().filter(|layer| self.seen.insert((layer.node, layer.operands))).count() > 0)
    }
}

/// The layers of an architecture that are not in `keys`, each alone as a graph.
fn new_layers(
    space: &Space,
    runtime: Runtime,
    arch: &Arch,
    keys: &BTreeMap<LayerKey, Witness>,
) -> Result<Vec<(LayerKey, Graph)>, EngineError> {
    let network = subnet(space, runtime, arch)?;
    let new = network.keyed_layers().iter().filter(|layer| !keys.contains_key(&layer.key));
    new.map(|layer| Ok((layer.key.clone(), alone(&network, network.node(layer.node))?))).collect()
}

pub(super) fn subnet(space: &Space, runtime: Runtime, arch: &Arch) -> Result<LoweredNetwork, EngineError> {
    runtime.subnet(&space.graph, arch).map_err(|e| EngineError::Plan(e.to_string()))
}

/// A layer as a graph of its own, with the input shapes that it has in `graph`.
fn alone(graph: &Graph, node: &Node) -> Result<Graph, EngineError> {
    let build = || {
        let mut b = GraphBuilder::new();
        let inputs = graph.input_shapes(node).into_iter().enumerate();
        let inputs: Vec<NodeId> =
            inputs.map(|(i, shape)| b.input(&format!("input{i}"), shape.clone())).collect::<Result<_, _>>()?;
        let layer = b.add("layer", node.op.clone(), &inputs)?;
        b.build(&[layer])
    };
    build().map_err(|e: nasprof_graph::GraphError| EngineError::Plan(e.to_string()))
}
