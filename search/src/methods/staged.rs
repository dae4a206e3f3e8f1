//! The staged search: samples many networks, drops the worst by cheap scores, and trains the others by successive halving,
//! synchronous (Jamieson and Talwalkar, AISTATS 2016) or asynchronous (Li et al., MLSys 2020).

use nasprof_base::ranks::ranks;

use super::promotions::Promotions;
use super::{Fault, Ledger, MethodError, Rung, Staged, rungs};
use crate::config::Halving;
use crate::data::{Purpose, stream};

/// Runs the staged search.
pub(super) fn search(ledger: &mut Ledger<'_>, settings: &Staged, seed: u64) -> Result<(), MethodError> {
    let full = ledger.trainings.epochs();
    if !ledger.trainings.has_curves() && !settings.rungs.is_empty() {
        return Err(MethodError::NoCurves { rungs: settings.rungs.clone() });
    }
    let mut rng = stream(seed, Purpose::Trials, 3, 0);
    let mut drawn = Vec::new();
    while drawn.len() < settings.draws as usize {
        let Some(arch) = ledger.draw_new(&mut rng)? else { break };
        drawn.push(ledger.look(&arch));
    }
    if drawn.is_empty() {
        return Err(MethodError::NoNetwork);
    }
    let left = by_rank(ledger, &drawn, &settings.scores)?;
    let stages = rungs(&Staged { draws: drawn.len() as u32, ..settings.clone() }, full, ledger.left());
    match settings.halving {
        Halving::Synchronous => synchronously(ledger, settings, left, &stages),
        Halving::Asynchronous => asynchronously(ledger, settings, left, stages),
    }
}

/// All networks of a stage are judged before the best of them go on.
fn synchronously(
    ledger: &mut Ledger<'_>,
    settings: &Staged,
    mut left: Vec<usize>,
    stages: &[Rung],
) -> Result<(), MethodError> {
    for (i, stage) in stages.iter().enumerate() {
        left.truncate(stage.networks);
        let entered = left.len();
        let progress = ledger.train(&left, stage.epochs)?;
        let mut judged: Vec<(usize, f64)> = left
            .iter()
            .zip(progress)
            .filter_map(|(&at, progress)| Some((at, progress?.badness(settings.judge))))
            .collect();
        if judged.is_empty() {
            return Err(no_survivor(stages, i, entered));
        }
        // The sort is stable: equal networks stay in the order of their ranks.
        judged.sort_by(|a, b| a.1.total_cmp(&b.1));
        left = judged.into_iter().map(|(at, _)| at).collect();
    }
    Ok(())
}

/// A network goes on as soon as it is among the best of those judged so far. What an interrupted search has trained stays as
/// it is: its networks enter the stages that their epochs belong to.
fn asynchronously(
    ledger: &mut Ledger<'_>,
    settings: &Staged,
    left: Vec<usize>,
    stages: Vec<Rung>,
) -> Result<(), MethodError> {
    let begun: Vec<(usize, u32)> = left.iter().map(|&at| (at, ledger.begun(at))).filter(|&(_, n)| n > 0).collect();
    let mut promotions = Promotions::new(stages.clone(), left, settings.judge);
    for (at, epochs) in begun {
        for stage in stages.iter().take_while(|stage| stage.epochs < epochs) {
            promotions.entered_before(at);
            let progress = ledger.train(&[at], stage.epochs)?;
            promotions.ended(at, progress.first().and_then(Option::as_ref));
        }
        promotions.interrupted(at);
    }
    ledger.train_as_scheduled(&mut promotions)?;
    match promotions.dead_end() {
        Some((stage, networks)) => Err(no_survivor(&stages, stage, networks)),
        None => Ok(()),
    }
}

fn no_survivor(stages: &[Rung], stage: usize, networks: usize) -> MethodError {
    let at = if stage + 1 == stages.len() { "in full".to_owned() } else { format!("of rung {}", stage + 1) };
    MethodError::NoSurvivor { networks, at }
}

/// Sorts the networks from best to worst by the sum of the logarithms of their ranks, as in AZ-NAS (Lee and Ham, CVPR 2024):
/// a bad rank in one score outweighs a good rank in another. A network without a score ranks last in it.
fn by_rank(ledger: &mut Ledger<'_>, drawn: &[usize], scores: &[String]) -> Result<Vec<usize>, Fault> {
    let count = drawn.len() as f64;
    let mut sums = vec![0.0; drawn.len()];
    for score in scores {
        let mut values = Vec::with_capacity(drawn.len());
        for &at in drawn {
            values.push(ledger.score(at, score)?.unwrap_or(f64::NEG_INFINITY));
        }
        sums.iter_mut().zip(ranks(&values)).for_each(|(sum, rank)| *sum += (rank / count).ln());
    }
    let mut order: Vec<usize> = (0..drawn.len()).collect();
    // The sort is stable: equal networks stay in the order of their draws.
    order.sort_by(|&a, &b| sums[b].total_cmp(&sums[a]));
    Ok(order.into_iter().map(|i| drawn[i]).collect())
}
