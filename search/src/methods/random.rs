//! Random search: the baseline for every other method.

use super::{Fault, Ledger};
use crate::data::{Purpose, stream};

/// Fully trains sampled networks until the budget is spent.
pub(super) fn random(ledger: &mut Ledger<'_>, seed: u64) -> Result<(), Fault> {
    let mut rng = stream(seed, Purpose::Trials, 0, 0);
    while let Some(arch) = ledger.draw_new(&mut rng)? {
        if ledger.train_in_full(&arch)?.is_none() {
            break;
        }
    }
    Ok(())
}
