//! The plan of a measurement: the keys of a space, and networks that cover them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use nasprof_graph::cost::ELEMENT_BYTES;
use nasprof_graph::expectation::keys_that_can_run;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::selector::Selector;
use nasprof_graph::{Arch, Graph, GraphBuilder, LayerKey, LoweredNetwork, Node, NodeId};
use nasprof_spaces::Space;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::EngineError;
use crate::journal::Role;

/// Networks sampled for a space with choices. More networks and fewer rounds: what predictions of new networks lack are contexts, not
/// rounds; four rounds predict them as well as forty.
const NETWORKS: usize = 45;
/// Of networks that fill this much memory with their parameters, fewer are enough: a board has to hold them all. And of those of a
/// runtime that fuses: on ONNX Runtime LUTs of 24, 30, 36 and 45 networks of mobilenet-cifar10 predicted new ones alike.
const FEWER_NETWORKS: usize = 30;
const MUCH_MEMORY: u64 = 512 << 20;
/// Networks measured of the smallest spaces: a calibration needs that many.
const MIN_NETWORKS: usize = 4;
/// A key is seen in at least this many networks, where the space allows it.
const MIN_OCCURRENCES: usize = 3;
/// Anchors among them.
pub(super) const ANCHORS: usize = 10;
/// Architectures in a row without a new key, after which keys are no longer searched for: by then at most one network in a hundred has one
/// more (the rule of three: 3 / 300, at 95 %).
const IDLE_DRAWN: usize = 300;
const MOST_DRAWN: usize = 3000;
/// Samples spent on one network before giving up on avoiding failed layers.
const MAX_SAMPLES: usize = 200;

/// Networks sampled of a space that has enough of them.
pub(super) fn sampled_networks(runtime: Runtime) -> usize {
    if runtime.fuses() { FEWER_NETWORKS } else { NETWORKS }
}

/// Something that is loaded and visited.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its number.
    pub id: u32,
    /// What it is for.
    pub role: Role,
    /// What runs, pruned and at the right batch size.
    pub network: LoweredNetwork,
}

impl Workload {
    /// A workload of a network.
    #[must_use]
    pub fn new(id: u32, role: Role, network: impl Into<LoweredNetwork>) -> Self {
        Self { id, role, network: network.into() }
    }

    /// Keys of its layers, in the order they run.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &LayerKey> {
        self.network.keys()
    }

    /// What it is, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.role {
            Role::Layer { key } => key.to_string(),
            Role::Network { anchor: true, .. } => {
                format!("anchor network {} ({} layers)", self.id, self.keys().len())
            }
            Role::Network { .. } => format!("network {} ({} layers)", self.id, self.keys().len()),
        }
    }

    /// Whether it is one layer alone.
    #[must_use]
    pub fn is_layer(&self) -> bool {
        matches!(self.role, Role::Layer { .. })
    }

    /// The key of its runs as a whole: the layer's own, or a name that no layer has.
    #[must_use]
    pub fn whole_key(&self) -> LayerKey {
        match &self.role {
            Role::Layer { key } => key.clone(),
            Role::Network { .. } => LayerKey(format!("whole-network({})", self.id)),
        }
    }
}

/// A layer alone as a graph, and an architecture that runs it.
pub(super) type Witness = (Graph, Arch);

/// Every key that some architecture of the space needs, with the layer alone as a graph and an architecture that has it:
/// exact where nothing is fused and the choices can be followed ([`keys_that_can_run`]), else searched for.
///
/// # Errors
/// If the space does not lower or a layer cannot stand alone.
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
            collect(space, runtime, &arch, &mut keys)?;
        }
    }
    if !is_exact {
        search_keys(space, runtime, rng, &mut keys)?;
    }
    Ok(keys)
}

/// Changes one choice at a time on random architectures, until whole passes over all choices find nothing new; then draws
/// architectures until so many in a row have nothing new.
fn search_keys(
    space: &Space,
    runtime: Runtime,
    rng: &mut ChaCha8Rng,
    keys: &mut BTreeMap<LayerKey, Witness>,
) -> Result<(), EngineError> {
    // Lowering a network takes a thousand times as long as looking at which nodes it runs; one that runs no node in a
    // new way has no new key. Where layers are fused that does not follow.
    let mut selector = Selector::new(&space.graph);
    let mut seen = HashSet::new();
    let mut has_new_nodes = |arch: &Arch| -> Result<bool, EngineError> {
        let layers = selector.select(arch).map_err(|e| EngineError::Plan(e.to_string()))?;
        Ok(layers.iter().filter(|layer| seen.insert((layer.node, layer.operands))).count() > 0)
    };
    collect(space, runtime, &space.sample(rng), keys)?;
    let mut idle_passes = 0;
    while idle_passes < 2 && !space.choices.is_empty() {
        let base = space.sample(rng);
        let mut found = false;
        for (i, choice) in space.choices.iter().enumerate() {
            for candidate in 0..choice.candidates.len() {
                let mut arch = base.clone();
                arch.0[i] = candidate as u16;
                if runtime.fuses() || has_new_nodes(&arch)? {
                    found |= collect(space, runtime, &arch, keys)?;
                }
            }
        }
        idle_passes = if found { 0 } else { idle_passes + 1 };
    }
    // What is fused depends on several choices at a time.
    let mut idle = 0;
    for _ in 0..MOST_DRAWN {
        if idle == IDLE_DRAWN || space.choices.is_empty() {
            break;
        }
        let arch = space.sample(rng);
        let found = (runtime.fuses() || has_new_nodes(&arch)?) && collect(space, runtime, &arch, keys)?;
        idle = if found { 0 } else { idle + 1 };
    }
    Ok(())
}

/// Adds the layers that an architecture runs; whether one was new.
fn collect(
    space: &Space,
    runtime: Runtime,
    arch: &Arch,
    keys: &mut BTreeMap<LayerKey, Witness>,
) -> Result<bool, EngineError> {
    let network = subnet(space, runtime, arch)?;
    let mut found = false;
    for layer in network.keyed_layers() {
        if let Entry::Vacant(entry) = keys.entry(layer.key.clone()) {
            entry.insert((alone(&network, network.node(layer.node))?, arch.clone()));
            found = true;
        }
    }
    Ok(found)
}

/// One workload for each layer alone.
#[must_use]
pub fn layer_workloads(keys: &BTreeMap<LayerKey, Witness>, failed: &BTreeSet<LayerKey>) -> Vec<Workload> {
    let usable = keys.iter().filter(|(key, _)| !failed.contains(key));
    usable
        .enumerate()
        .map(|(i, (key, (graph, _)))| Workload::new(i as u32, Role::Layer { key: key.clone() }, graph.clone()))
        .collect()
}

/// Networks that together hold every usable key at least [`MIN_OCCURRENCES`] times where the space allows it: a balanced
/// sample first (every candidate of a choice equally often), then networks drawn around the rare keys. Some of them,
/// spread over the range of costs, are anchors.
///
/// # Errors
/// If every network of the space needs a layer that does not run.
pub fn network_workloads(
    space: &Space,
    runtime: Runtime,
    keys: &BTreeMap<LayerKey, Witness>,
    failed: &BTreeSet<LayerKey>,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<Workload>, EngineError> {
    let mut pool = Pool { space, runtime, keys, failed, networks: Vec::new(), occurrences: BTreeMap::new() };
    let most = most_networks(space);
    let sampled = most.min(sampled_networks(runtime));
    for arch in balanced(space, sampled, rng) {
        if !pool.is_large() {
            pool.try_add(&arch)?;
        }
    }
    for _ in 0..MAX_SAMPLES {
        if pool.networks.len() >= sampled || pool.is_large() {
            break;
        }
        pool.try_add(&space.sample(rng))?;
    }
    if pool.networks.is_empty() {
        let named: Vec<&str> = failed.iter().map(LayerKey::as_str).take(3).collect();
        return Err(EngineError::Plan(format!(
            "every network contains a layer that does not run: {}",
            named.join(", ")
        )));
    }
    for (key, (_, witness)) in keys.iter().filter(|(key, _)| !failed.contains(*key)) {
        for _ in 0..MAX_SAMPLES {
            let occurrences = pool.occurrences.get(key).copied().unwrap_or(0);
            if occurrences >= MIN_OCCURRENCES || (occurrences > 0 && pool.networks.len() >= most) {
                break;
            }
            // The more draws failed, the closer to the architecture that is known to have the key.
            let mut arch = witness.clone();
            let share = rng.random::<f64>();
            for (selected, choice) in arch.0.iter_mut().zip(&space.choices) {
                if rng.random::<f64>() < share {
                    *selected = rng.random_range(0..choice.candidates.len()) as u16;
                }
            }
            pool.try_add_with(&arch, Some(key))?;
        }
    }
    let anchors = spread(&pool.networks);
    let workloads = pool.networks.into_iter().enumerate().map(|(i, (arch, network))| {
        Workload::new(i as u32, Role::Network { arch, anchor: anchors.contains(&i) }, network)
    });
    Ok(workloads.collect())
}

/// At most half of a small space, so that networks are left to validate with; every key is covered all the same.
fn most_networks(space: &Space) -> usize {
    (space.networks() / 2_u32).to_string().parse().unwrap_or(usize::MAX).max(MIN_NETWORKS)
}

struct Pool<'a> {
    space: &'a Space,
    runtime: Runtime,
    keys: &'a BTreeMap<LayerKey, Witness>,
    failed: &'a BTreeSet<LayerKey>,
    networks: Vec<(Arch, LoweredNetwork)>,
    occurrences: BTreeMap<LayerKey, usize>,
}

impl Pool<'_> {
    /// Whether the networks are enough for what they weigh.
    fn is_large(&self) -> bool {
        let parameters: u64 = self.networks.iter().map(|(_, network)| network.cost().params).sum();
        self.networks.len() >= FEWER_NETWORKS && parameters * ELEMENT_BYTES > MUCH_MEMORY
    }

    fn try_add(&mut self, arch: &Arch) -> Result<(), EngineError> {
        self.try_add_with(arch, None)
    }

    /// Adds a network unless it is there already, needs a layer that failed or that the search for keys has missed, or lacks the key
    /// that is wanted.
    fn try_add_with(&mut self, arch: &Arch, wanted: Option<&LayerKey>) -> Result<(), EngineError> {
        if self.networks.iter().any(|(known, _)| known == arch) {
            return Ok(());
        }
        let network = subnet(self.space, self.runtime, arch)?;
        let keys: BTreeSet<LayerKey> = network.keys().cloned().collect();
        let is_usable = |key: &LayerKey| self.keys.contains_key(key) && !self.failed.contains(key);
        if !keys.iter().all(is_usable) || wanted.is_some_and(|key| !keys.contains(key)) {
            return Ok(());
        }
        for key in keys {
            *self.occurrences.entry(key).or_default() += 1;
        }
        self.networks.push((arch.clone(), network));
        Ok(())
    }
}

fn subnet(space: &Space, runtime: Runtime, arch: &Arch) -> Result<LoweredNetwork, EngineError> {
    runtime.subnet(&space.graph, arch).map_err(|e| EngineError::Plan(e.to_string()))
}

/// For every choice, a shuffled sequence in which each candidate comes equally often.
fn balanced(space: &Space, count: usize, rng: &mut ChaCha8Rng) -> Vec<Arch> {
    let mut archs = vec![Arch(Vec::with_capacity(space.choices.len())); count];
    for choice in &space.choices {
        let mut sequence: Vec<u16> = (0..count).map(|i| (i % choice.candidates.len()) as u16).collect();
        sequence.shuffle(rng);
        for (arch, selected) in archs.iter_mut().zip(sequence) {
            arch.0.push(selected);
        }
    }
    archs
}

/// Indices of the anchors: evenly spaced in the order of MACs, smallest and largest included.
fn spread(networks: &[(Arch, LoweredNetwork)]) -> BTreeSet<usize> {
    let mut order: Vec<usize> = (0..networks.len()).collect();
    order.sort_by_key(|&i| networks[i].1.cost().macs);
    evenly(ANCHORS, order.len()).map(|i| order[i]).collect()
}

/// At most `count` of the places from 0 to `len`, evenly spaced, the first and the last included.
pub(super) fn evenly(count: usize, len: usize) -> impl Iterator<Item = usize> {
    let count = count.min(len);
    (0..count).map(move |i| i * (len - 1) / (count - 1).max(1))
}

/// A layer as a graph of its own, with inputs of the shapes it has in `graph`.
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
