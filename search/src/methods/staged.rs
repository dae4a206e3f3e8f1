//! The staged search: draw many networks, drop the worst by cheap scores, and train the others by successive halving (Jamieson
//! and Talwalkar, AISTATS 2016).

use super::{Fault, Ledger, MethodError, Progress};
use crate::config::Judge;
use crate::data::{Purpose, stream};

/// How the staged search proceeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Staged {
    /// Networks that are drawn within the budget.
    pub draws: u32,
    /// Cheap scores whose ranks are aggregated.
    pub scores: Vec<String>,
    /// Epochs after which trainings are judged, ascending; none where trainings cannot be judged before their end.
    pub rungs: Vec<u32>,
    /// One in so many networks goes on after a rung.
    pub reduction: u32,
    /// Networks that are trained in full at least.
    pub finalists: u32,
    /// What trainings are judged by.
    pub judge: Judge,
}

/// A stage of trainings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// Networks that take part.
    pub networks: usize,
    /// Epochs that each of them has had at its end.
    pub epochs: u32,
}

/// The stages of the largest search of at most `draws` networks that costs at most `limit` epochs; the last one trains to
/// the end, `full` epochs. Without rungs that is the only one.
#[must_use]
pub fn rungs(settings: &Staged, full: u32, limit: u64) -> Vec<Rung> {
    let stages = |first: usize| {
        let early = settings.rungs.iter().copied().filter(|&epochs| epochs < full);
        let mut stages: Vec<Rung> = Vec::new();
        for epochs in early {
            let networks = stages.last().map_or(first, |last| next(last.networks, settings));
            stages.push(Rung { networks, epochs });
        }
        let networks = stages.last().map_or(first, |last| last.networks.min(settings.finalists as usize).max(1));
        stages.push(Rung { networks, epochs: full });
        stages
    };
    let cost = |stages: &[Rung]| {
        let before = std::iter::once(0).chain(stages.iter().map(|stage| stage.epochs));
        stages.iter().zip(before).map(|(s, before)| s.networks as u64 * u64::from(s.epochs - before)).sum::<u64>()
    };
    let (mut least, mut most) = (1, settings.draws.max(1) as usize);
    if cost(&stages(least)) > limit {
        return stages(least);
    }
    // The cost rises with the number of networks.
    while least < most {
        let middle = least + (most - least).div_ceil(2);
        if cost(&stages(middle)) <= limit { least = middle } else { most = middle - 1 }
    }
    stages(least)
}

fn next(networks: usize, settings: &Staged) -> usize {
    networks.div_ceil(settings.reduction.max(2) as usize).max(networks.min(settings.finalists as usize))
}

/// Runs it.
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
    let mut left = by_rank(ledger, &drawn, &settings.scores)?;
    let stages = rungs(&Staged { draws: drawn.len() as u32, ..settings.clone() }, full, ledger.left());
    for (i, stage) in stages.iter().enumerate() {
        left.truncate(stage.networks);
        let entered = left.len();
        let progress = ledger.train(&left, stage.epochs)?;
        let mut judged: Vec<(usize, f64)> = left
            .iter()
            .zip(progress)
            .filter_map(|(&at, progress)| Some((at, badness(&progress?, settings.judge))))
            .collect();
        if judged.is_empty() {
            let at = if i + 1 == stages.len() { "in full".to_owned() } else { format!("of rung {}", i + 1) };
            return Err(MethodError::NoSurvivor { networks: entered, at });
        }
        // Equal ones stay in the order of their ranks.
        judged.sort_by(|a, b| a.1.total_cmp(&b.1));
        left = judged.into_iter().map(|(at, _)| at).collect();
    }
    Ok(())
}

fn badness(progress: &Progress, judge: Judge) -> f64 {
    match (judge, progress.loss) {
        (Judge::TrainingLosses, Some(loss)) => loss,
        _ => -progress.valid,
    }
}

/// The networks from the best to the worst by the sum of the logarithms of their ranks (as AZ-NAS aggregates, Lee and Ham, CVPR
/// 2024: a bad rank in one score weighs more than a good one in another makes up). A network without a score is the last in it.
fn by_rank(ledger: &mut Ledger<'_>, drawn: &[usize], scores: &[String]) -> Result<Vec<usize>, Fault> {
    let count = drawn.len() as f64;
    let mut sums = vec![0.0; drawn.len()];
    for score in scores {
        let mut values = Vec::with_capacity(drawn.len());
        for &at in drawn {
            values.push(ledger.score(at, score)?.unwrap_or(f64::NEG_INFINITY));
        }
        let mut order: Vec<usize> = (0..drawn.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut start = 0;
        while start < order.len() {
            let equal = order[start..].iter().take_while(|&&i| values[i] == values[order[start]]).count();
            // Equal scores share their mean rank; the worst has 1.
            let rank = start as f64 + (equal as f64 + 1.0) / 2.0;
            order[start..start + equal].iter().for_each(|&i| sums[i] += (rank / count).ln());
            start += equal;
        }
    }
    let mut order: Vec<usize> = (0..drawn.len()).collect();
    // Equal ones stay in the order of their draws.
    order.sort_by(|&a, &b| sums[b].total_cmp(&sums[a]));
    Ok(order.into_iter().map(|i| drawn[i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(rungs: &[u32]) -> Staged {
        let scores = vec!["macs".to_owned()];
        Staged { draws: 500, scores, rungs: rungs.to_vec(), reduction: 3, finalists: 3, judge: Judge::Validation }
    }

    #[test]
    fn stages_cost_at_most_what_there_is() {
        let pairs = |rungs: Vec<Rung>| rungs.into_iter().map(|r| (r.networks, r.epochs)).collect::<Vec<_>>();
        // 20 * 1 + 7 * 1 + 3 * 4 = 39 epochs; with 21 it is 40, with 22 it is 42.
        assert_eq!(pairs(super::rungs(&settings(&[1, 2]), 6, 39)), [(20, 1), (7, 2), (3, 6)]);
        assert_eq!(pairs(super::rungs(&settings(&[]), 6, 39)), [(6, 6)]);
        assert_eq!(pairs(super::rungs(&settings(&[]), 6, 100_000)), [(500, 6)]);
        for limit in 6..500 {
            let stages = super::rungs(&settings(&[1, 2]), 6, limit);
            let cost: u64 = stages.iter().map(|s| s.networks as u64 * if s.epochs == 6 { 4 } else { 1 }).sum();
            assert!(cost <= limit, "{limit}: {stages:?}");
            assert!(
                stages.windows(2).all(|pair| pair[0].networks >= pair[1].networks && pair[0].epochs < pair[1].epochs)
            );
        }
    }
}
