//! Large spaces without an exact answer: samples, then local search from the best of them.

use std::collections::HashSet;

use nasprof_graph::Arch;
use nasprof_spaces::Space;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::every::all;
use super::known::{self, Axis, Limits, Network, Predictors, SampleSettings};

/// Maximum number of rounds of the local search.
const ROUNDS: usize = 50;
/// Networks whose neighbours are evaluated in a round.
const CENTERS: usize = 300;
/// Networks that the local search under limits keeps, if not more are listed.
const POOL: usize = 300;
/// Rounds in which two choices change at once, and networks whose pairs of changes are evaluated in a round, with the batch
/// form and without it.
const PAIR_ROUNDS: usize = 20;
const PAIR_CENTERS: usize = 5;
const PAIR_CENTERS_WITHOUT_BATCH: usize = 1;

/// The best networks within the limits. The search begins with samples, with the `known` networks, and with the fronts of
/// each limited quantity: so no network of such a front is better.
pub(super) fn rank(
    predictors: &Predictors<'_>,
    axis: Axis,
    limits: &Limits,
    top: usize,
    settings: SampleSettings,
    known: Vec<Arch>,
) -> Vec<Network> {
    let pool = top.max(POOL);
    // If too few networks are within the limits, the search also continues from those that exceed them least.
    let select = |networks: Vec<Network>| {
        let (mut within, mut beyond): (Vec<Network>, Vec<Network>) =
            networks.into_iter().partition(|network| limits.allow(network));
        within = known::best(within, axis, pool);
        beyond.sort_by(|a, b| limits.excess(a).total_cmp(&limits.excess(b)).then_with(|| a.arch.cmp(&b.arch)));
        beyond.truncate(pool.saturating_sub(within.len()).min(CENTERS));
        within.extend(beyond);
        within
    };
    let mut starts = all(predictors, known);
    for (limited, _) in limits.set().filter(|(limited, _)| limited.name() != axis.name()) {
        // In the order in which `nasprof pareto` has them.
        let axes = if axis == Axis::Latency { [axis, limited] } else { [limited, axis] };
        starts.extend(front(predictors, axes, settings));
    }
    let mut found = local_search(predictors, settings, starts, select);
    let space = predictors.space();
    let centers = if predictors.is_fast() { PAIR_CENTERS } else { PAIR_CENTERS_WITHOUT_BATCH };
    let mut done: HashSet<Arch> = HashSet::new();
    for _ in 0..PAIR_ROUNDS {
        let best = found.iter().map(|network| &network.arch).take(top.max(centers));
        let open: Vec<Arch> = best.filter(|arch| !done.contains(*arch)).take(centers).cloned().collect();
        if open.is_empty() {
            break;
        }
        let pairs = open.iter().flat_map(|arch| changed(space, arch, 0)).flat_map(|(choice, arch)| {
            changed(space, &arch, choice + 1).into_iter().map(|(_, arch)| arch).collect::<Vec<_>>()
        });
        let pairs = all(predictors, pairs.collect());
        done.extend(open);
        found = select(found.into_iter().chain(pairs).collect());
    }
    found.retain(|network| limits.allow(network));
    found.truncate(top);
    found
}

/// The front of all evaluated networks.
pub(super) fn front(predictors: &Predictors<'_>, axes: [Axis; 2], settings: SampleSettings) -> Vec<Network> {
    local_search(predictors, settings, Vec::new(), |networks| known::front(networks, axes))
}

/// All networks that differ in one choice from the `first` one on, each with that choice.
fn changed(space: &Space, arch: &Arch, first: usize) -> Vec<(usize, Arch)> {
    let mut all = Vec::new();
    for (choice, of) in space.choices.iter().enumerate().skip(first) {
        for candidate in (0..of.candidates.len() as u16).filter(|&candidate| candidate != arch.0[choice]) {
            let mut other = arch.clone();
            other.0[choice] = candidate;
            all.push((choice, other));
        }
    }
    all
}

/// Samples networks and selects some of them and of the `starts`. Then evaluates all networks that differ from a selected one
/// in one choice, and selects again, until the selection does not change.
fn local_search(
    predictors: &Predictors<'_>,
    settings: SampleSettings,
    starts: Vec<Network>,
    select: impl Fn(Vec<Network>) -> Vec<Network>,
) -> Vec<Network> {
    let space = predictors.space();
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let samples = (0..settings.count(predictors.is_fast())).map(|_| space.sample(&mut rng)).collect();
    let mut selected = select(starts.into_iter().chain(all(predictors, samples)).collect());
    // Networks whose neighbours are already evaluated.
    let mut done: HashSet<Arch> = HashSet::new();
    for _ in 0..ROUNDS {
        let open: Vec<&Arch> = selected.iter().map(|n| &n.arch).filter(|arch| !done.contains(*arch)).collect();
        let step = open.len().div_ceil(CENTERS).max(1);
        let centers: Vec<Arch> = open.into_iter().step_by(step).cloned().collect();
        if centers.is_empty() {
            break;
        }
        let neighbours = centers.iter().flat_map(|arch| changed(space, arch, 0)).map(|(_, arch)| arch);
        let mut found = all(predictors, neighbours.collect());
        done.extend(centers);
        found.append(&mut selected);
        selected = select(found);
    }
    selected
}
