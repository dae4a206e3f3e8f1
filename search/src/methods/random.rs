//! Random search: what every other method has to be better than.

use super::{Fault, Ledger};
use crate::data::{Purpose, stream};

/// Trains drawn networks in full, as many as can be paid.
pub(super) fn random(ledger: &mut Ledger<'_>, seed: u64) -> Result<(), Fault> {
    let mut rng = stream(seed, Purpose::Trials, 0, 0);
    while let Some(arch) = ledger.draw_new(&mut rng)? {
        if ledger.train_in_full(&arch)?.is_none() {
            break;
        }
    }
    Ok(())
}
