//! Large spaces whose quantities are not sums over the choices: samples, then local search from the best of them.

use std::collections::HashSet;

use nasprof_graph::Arch;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::every::all;
use super::known::{self, Axis, Limits, Network, Predictors, SampleSettings};

/// Maximum number of rounds of the local search.
const ROUNDS: usize = 50;
/// Networks whose neighbours are evaluated in a round.
const CENTERS: usize = 300;

/// The best networks within the limits.
pub(super) fn rank(
    predictors: &Predictors<'_>,
    axis: Axis,
    limits: &Limits,
    top: usize,
    settings: SampleSettings,
) -> Vec<Network> {
    // If too few networks are within the limits, the search also continues from those that exceed them least.
    let select = |networks: Vec<Network>| {
        let (mut within, mut beyond): (Vec<Network>, Vec<Network>) =
            networks.into_iter().partition(|network| limits.allow(network));
        within = known::best(within, axis, top);
        beyond.sort_by(|a, b| limits.excess(a).total_cmp(&limits.excess(b)).then_with(|| a.arch.cmp(&b.arch)));
        beyond.truncate(top.saturating_sub(within.len()).min(CENTERS));
        within.extend(beyond);
        within
    };
    let mut found = local_search(predictors, settings, select);
    found.retain(|network| limits.allow(network));
    found
}

/// The front of all evaluated networks.
pub(super) fn front(predictors: &Predictors<'_>, axes: [Axis; 2], settings: SampleSettings) -> Vec<Network> {
    local_search(predictors, settings, |networks| known::front(networks, axes))
}

/// Samples networks and selects some. Then evaluates all networks that differ from a selected one in one choice, and selects
/// again, until the selection does not change.
fn local_search(
    predictors: &Predictors<'_>,
    settings: SampleSettings,
    select: impl Fn(Vec<Network>) -> Vec<Network>,
) -> Vec<Network> {
    let space = predictors.space();
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let samples = (0..settings.count(predictors.is_fast())).map(|_| space.sample(&mut rng)).collect();
    let mut selected = select(all(predictors, samples));
    // Networks whose neighbours are already evaluated.
    let mut done: HashSet<Arch> = HashSet::new();
    for _ in 0..ROUNDS {
        let open: Vec<&Arch> = selected.iter().map(|n| &n.arch).filter(|arch| !done.contains(*arch)).collect();
        let step = open.len().div_ceil(CENTERS).max(1);
        let centers: Vec<Arch> = open.into_iter().step_by(step).cloned().collect();
        if centers.is_empty() {
            break;
        }
        let neighbours = centers.iter().flat_map(|arch| {
            space.choices.iter().enumerate().flat_map(move |(choice, of)| {
                (0..of.candidates.len()).filter(move |&c| c != usize::from(arch.0[choice])).map(move |candidate| {
                    let mut other = arch.clone();
                    other.0[choice] = candidate as u16;
                    other
                })
            })
        });
        let mut found = all(predictors, neighbours.collect());
        done.extend(centers);
        found.append(&mut selected);
        selected = select(found);
    }
    selected
}
