//! Random search: independent samples.

use nasprof_spaces::Space;

use super::archive::Archive;
use super::{Budget, EvolutionError, Outcome, Scorer};
use crate::data::{Purpose, stream};

/// Maximum number of draws for a tight budget: about a minute with tabulated costs.
const MOST_DRAWS: u64 = 50_000_000;

/// Draws architectures uniformly until `samples` distinct ones within the budget are evaluated. If the budget is too tight
/// for that, it evaluates fewer; the outcome has the number.
///
/// # Errors
/// If no architecture is within the budget, a cost is unknown, or the scorer fails.
pub fn sample(
    space: &Space,
    budget: &Budget<'_>,
    samples: u32,
    seed: u64,
    scorer: &mut dyn Scorer,
) -> Result<Outcome, EvolutionError> {
    let mut archive = Archive::new(space, budget, scorer, samples as usize);
    fill(&mut archive, samples as usize, seed)?;
    archive.outcome()
}

/// Draws until the archive holds `wanted` architectures, up to a maximum number of draws.
pub(super) fn fill(archive: &mut Archive<'_>, wanted: usize, seed: u64) -> Result<(), EvolutionError> {
    let mut rng = stream(seed, Purpose::Evolution, 0, 0);
    let draws = (wanted as u64).saturating_mul(archive.patience()).min(MOST_DRAWS.max(wanted as u64));
    for _ in 0..draws {
        if archive.len() >= wanted || archive.is_full() {
            break;
        }
        archive.offer(archive.space.sample(&mut rng))?;
    }
    Ok(())
}
