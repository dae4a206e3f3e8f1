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

/// Most draws for a child before it is given up: its neighbourhood may be known or out of the budget.
const TRIES: u64 = 200;

/// Evolves architectures within a budget. The first generation is drawn as [`super::sample`] does it; each next one
/// descends from the best found so far and from the front. It ends early when a whole generation brings nothing new.
///
/// # Errors
/// If nothing within the budget is found, a cost is not known, or the scorer fails.
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
        // The budget is tight: begin at its cheap end.
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

/// A mutated copy of one ancestor, or a mixture of two.
fn descendant(choices: &[Choice], ancestors: &[Arch], settings: &Evolution, rng: &mut ChaCha8Rng) -> Option<Arch> {
    let mut arch = ancestors.choose(rng)?.clone();
    if rng.random_bool(settings.mutated) {
        let certain = rng.random_range(0..choices.len().max(1));
        for (i, (selected, choice)) in arch.0.iter_mut().zip(choices).enumerate() {
            // One choice changes for certain, so that a small probability does not waste draws.
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
