//! Small spaces: evaluates every architecture.

use nasprof_graph::Arch;
use nasprof_spaces::Space;
use rayon::prelude::*;

use super::known::{Network, Predictors};

/// Maximum number of architectures to enumerate, with the batch form and without it.
const MOST: u64 = 500_000;
const MOST_WITHOUT_BATCH: u64 = 2_000;
/// Architectures per copy of the predictors.
const PART: usize = 1024;

/// The number of architectures, if it is small enough to enumerate.
pub(super) fn count(space: &Space, is_fast: bool) -> Option<u64> {
    let most = if is_fast { MOST } else { MOST_WITHOUT_BATCH };
    u64::try_from(space.architectures()).ok().filter(|&count| count <= most)
}

/// Evaluates the first `count` architectures; the first choice changes fastest.
pub(super) fn evaluate(predictors: &Predictors<'_>, count: u64) -> Vec<Network> {
    let choices = &predictors.space().choices;
    let arch = |mut number: u64| {
        let select = |choice: &nasprof_graph::Choice| {
            let candidates = choice.candidates.len() as u64;
            let selected = number % candidates;
            number /= candidates;
            selected as u16
        };
        Arch(choices.iter().map(select).collect())
    };
    let archs: Vec<Arch> = (0..count).map(arch).collect();
    all(predictors, archs)
}

/// Evaluates architectures in parallel and keeps their order. Leaves out those with layers that a LUT lacks.
pub(super) fn all(predictors: &Predictors<'_>, archs: Vec<Arch>) -> Vec<Network> {
    let parts: Vec<Vec<Arch>> = archs.chunks(PART).map(<[Arch]>::to_vec).collect();
    let of_part = |part: Vec<Arch>| {
        let mut predictors = predictors.clone();
        part.into_iter().filter_map(|arch| predictors.network(arch)).collect::<Vec<_>>()
    };
    parts.into_par_iter().flat_map_iter(of_part).collect()
}
