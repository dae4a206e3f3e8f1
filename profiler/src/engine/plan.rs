//! The plan of a measurement: networks that cover the keys of a space.

use std::collections::{BTreeMap, BTreeSet};

use nasprof_graph::cost::ELEMENT_BYTES;
use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, LayerKey, LoweredNetwork};
use nasprof_spaces::Space;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::EngineError;
use super::keys::{Witness, subnet};
use crate::journal::Role;

/// Networks sampled for a space with choices. Many networks with few rounds are best: predictions of new networks improve
/// with more contexts, not with more rounds. Four rounds predict as well as forty.
const NETWORKS: usize = 45;
/// Fewer networks if their parameters fill [`MUCH_MEMORY`], because a board must hold them all. Also for runtimes that fuse:
/// on ONNX Runtime, LUTs of 24, 30, 36 and 45 networks of mobilenet-cifar10 predicted new networks equally well. So did LUTs of 30 and
/// 45 on an H200, where each network left out was predicted to within 0.13 %.
const FEWER_NETWORKS: usize = 30;
const MUCH_MEMORY: u64 = 512 << 20;
/// Networks measured of the smallest spaces: a calibration needs this many.
const MIN_NETWORKS: usize = 4;
/// A key occurs in at least this many networks, if the space allows it.
const MIN_OCCURRENCES: usize = 3;
/// Number of anchors among the networks.
pub(super) const ANCHORS: usize = 10;
/// Maximum number of draws to find a network that avoids failed layers.
const MAX_SAMPLES: usize = 200;

/// Number of networks to sample for a runtime, on a GPU or elsewhere, if the space has enough of them.
#[must_use]
pub fn sampled_networks(runtime: Runtime, is_gpu: bool) -> usize {
    if runtime.fuses() || is_gpu { FEWER_NETWORKS } else { NETWORKS }
}

/// A network or layer that is loaded and visited.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its number.
    pub id: u32,
    /// Its role.
    pub role: Role,
    /// The graph that runs, pruned and at the right batch size.
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

    /// A description of it.
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

    /// The key of its whole runs: the layer's key, or a name that no layer has.
    #[must_use]
    pub fn whole_key(&self) -> LayerKey {
        match &self.role {
            Role::Layer { key } => key.clone(),
            Role::Network { .. } => LayerKey(format!("whole-network({})", self.id)),
        }
    }
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

/// Networks that together contain every usable key at least [`MIN_OCCURRENCES`] times if the space allows it. First a
/// balanced sample of `sampled` networks (every candidate of a choice equally often), then networks drawn around the rare keys. Some networks,
/// spread over the range of costs, are anchors.
///
/// # Errors
/// If every network of the space needs a layer that does not run.
pub fn network_workloads(
    space: &Space,
    runtime: Runtime,
    sampled: usize,
    keys: &BTreeMap<LayerKey, Witness>,
    failed: &BTreeSet<LayerKey>,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<Workload>, EngineError> {
    let mut pool = Pool { space, runtime, keys, failed, networks: Vec::new(), occurrences: BTreeMap::new() };
    let most = most_networks(space);
    let sampled = most.min(sampled);
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
            // A random variation, small or large, of the architecture that is known to contain the key.
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

/// At most half of a small space, so that networks remain for validation. Every key is covered in any case.
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
    /// Whether the networks fill so much memory that no more are added.
    fn is_large(&self) -> bool {
        let parameters: u64 = self.networks.iter().map(|(_, network)| network.cost().params).sum();
        self.networks.len() >= FEWER_NETWORKS && parameters * ELEMENT_BYTES > MUCH_MEMORY
    }

    fn try_add(&mut self, arch: &Arch) -> Result<(), EngineError> {
        self.try_add_with(arch, None)
    }

    /// Adds a network, unless it is already in the pool, needs a layer that failed or has no key in `keys`, or lacks the
    /// wanted key.
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

/// For every choice, a shuffled sequence that contains each candidate equally often.
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

/// At most `count` indices below `len`, evenly spaced, including the first and the last.
pub(super) fn evenly(count: usize, len: usize) -> impl Iterator<Item = usize> {
    let count = count.min(len);
    (0..count).map(move |i| i * (len - 1) / (count - 1).max(1))
}
