//! Local search (White et al., UAI 2021, "Exploring the loss landscape in neural architecture search").

use nasprof_graph::Arch;
use rand::seq::SliceRandom;

use super::{Fault, Ledger};
use crate::data::{Purpose, stream};

/// Climbs from sampled networks until the budget is spent.
pub(super) fn search(ledger: &mut Ledger<'_>, seed: u64) -> Result<(), Fault> {
    let mut rng = stream(seed, Purpose::Trials, 2, 0);
    while let Some(mut current) = ledger.draw_new(&mut rng)? {
        let Some(mut best) = ledger.train_in_full(&current)? else { return Ok(()) };
        'climb: loop {
            let mut neighbours = neighbours(ledger, &current);
            neighbours.shuffle(&mut rng);
            for arch in neighbours {
                if ledger.knows(&arch) || !ledger.networks.admits(&arch)? {
                    continue;
                }
                let Some(valid) = ledger.train_in_full(&arch)? else { return Ok(()) };
                if valid > best {
                    (current, best) = (arch, valid);
                    continue 'climb;
                }
            }
            break;
        }
    }
    Ok(())
}

/// All networks that differ in one choice.
fn neighbours(ledger: &Ledger<'_>, arch: &Arch) -> Vec<Arch> {
    let mut neighbours = Vec::new();
    for (at, choice) in ledger.networks.choices().iter().enumerate() {
        for candidate in (0..choice.candidates.len() as u16).filter(|&candidate| candidate != arch.0[at]) {
            let mut other = arch.clone();
            other.0[at] = candidate;
            neighbours.push(other);
        }
    }
    neighbours
}
