//! Regularised evolution (Real et al., AAAI 2019, "Regularized evolution for image classifier architecture search").

use std::collections::VecDeque;

use nasprof_graph::Arch;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::{Fault, Ledger};
use crate::data::{Purpose, stream};

/// Maximum number of mutations of a parent: all its neighbours may be known or out of the budget. After that, a sampled
/// network replaces the child.
const TRIES: u32 = 100;

/// Runs the evolution until the budget is spent. The population holds networks with their validation accuracies, the oldest
/// first.
pub(super) fn evolve(ledger: &mut Ledger<'_>, population: u32, tournament: u32, seed: u64) -> Result<(), Fault> {
    let mut rng = stream(seed, Purpose::Trials, 1, 0);
    let mut alive: VecDeque<(Arch, f64)> = VecDeque::new();
    loop {
        let child = if alive.len() < population as usize {
            ledger.draw_new(&mut rng)?
        } else {
            let drawn: Vec<&(Arch, f64)> = alive.iter().collect();
            let drawn: Vec<&(Arch, f64)> = (0..tournament).filter_map(|_| drawn.choose(&mut rng).copied()).collect();
            let parent = drawn.into_iter().reduce(|a, b| if b.1 > a.1 { b } else { a }).map(|(arch, _)| arch.clone());
            match parent {
                Some(parent) => child(ledger, &parent, &mut rng)?,
                None => None,
            }
        };
        let Some(child) = child else { return Ok(()) };
        let Some(valid) = ledger.train_in_full(&child)? else { return Ok(()) };
        alive.push_back((child, valid));
        if alive.len() > population as usize {
            alive.pop_front();
        }
    }
}

/// A new network that differs from its parent in one choice. If all tried mutations are known or out of the budget, a
/// sampled network.
fn child(ledger: &mut Ledger<'_>, parent: &Arch, rng: &mut ChaCha8Rng) -> Result<Option<Arch>, Fault> {
    for _ in 0..TRIES {
        let mut arch = parent.clone();
        let choices = ledger.networks.choices();
        let at = rng.random_range(0..choices.len().max(1));
        let candidates = choices.get(at).map_or(1, |choice| choice.candidates.len());
        if let Some(selected) = arch.0.get_mut(at) {
            *selected = rng.random_range(0..candidates.max(1)) as u16;
        }
        if !ledger.knows(&arch) && ledger.networks.admits(&arch)? {
            return Ok(Some(arch));
        }
    }
    ledger.draw_new(rng)
}
