//! The evolutionary algorithm.

use nasprof_graph::{Arch, Choice};
use nasprof_spaces::Space;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::archive::Archive;
use super::sample::fill;
use super::{Budget, EvolutionError, Outcome, Scorer};
use crate::config::Evolution;
use crate::data::{Purpose, stream};

/// Maximum number of draws for a child: all its neighbours may be known or out of the budget.
const TRIES: u64 = 200;

/// Evolves architectures within a budget. The first generation is sampled as in [`super::sample`]. Each later one descends
/// from the best architectures so far and from the front. The evolution stops early if a generation finds nothing new.
///
/// # Errors
/// If no architecture is within the budget, a cost is unknown, or the scorer fails.
pub fn evolve(
    space: &Space,
    budget: &Budget<'_>,
    settings: &Evolution,
    seed: u64,
    scorer: &mut dyn Scorer,
) -> Result<Outcome, EvolutionError> {
    let population = settings.population as usize;
    let parents = ((settings.parents * population as f64).ceil() as usize).max(1);
    let mut archive = Archive::new(space, budget, scorer, settings.evaluated());
    fill(&mut archive, population, seed)?;
    if archive.len() < population {
        // The budget is tight: add the cheapest architectures.
        for arch in budget.cheapest(space)? {
            archive.offer(arch)?;
        }
    }
    for generation in 1..=u64::from(settings.generations) {
        let ancestors = archive.parents(parents);
        let before = archive.len();
        for child in 0..population as u64 {
            let mut rng = stream(seed, Purpose::Evolution, generation, child);
            for _ in 0..archive.patience().min(TRIES) {
                let arch = descendant(&space.choices, &ancestors, settings, &mut rng);
                let Some(arch) = arch else { break };
                if archive.offer(arch)? {
                    break;
                }
            }
        }
        if archive.len() == before || archive.is_full() {
            break;
        }
    }
    archive.outcome()
}

/// A mutated copy of one ancestor, or a crossover of two.
fn descendant(choices: &[Choice], ancestors: &[Arch], settings: &Evolution, rng: &mut ChaCha8Rng) -> Option<Arch> {
    let mut arch = ancestors.choose(rng)?.clone();
    if rng.random_bool(settings.mutated) {
        let certain = rng.random_range(0..choices.len().max(1));
        for (i, (selected, choice)) in arch.0.iter_mut().zip(choices).enumerate() {
            // One choice is always redrawn, so that a small probability does not waste draws.
            if i == certain || rng.random_bool(settings.mutation) {
                *selected = rng.random_range(0..choice.candidates.len()) as u16;
            }
        }
    } else {
        let other = ancestors.choose(rng)?;
        for (selected, &inherited) in arch.0.iter_mut().zip(&other.0) {
            if rng.random() {
                *selected = inherited;
            }
        }
    }
    Some(arch)
}
