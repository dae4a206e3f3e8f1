//! Settings of the staged search, and the stages of its trainings.

use crate::config::{FinalChoice, Halving, Judge};

/// Settings of the staged search.
#[derive(Debug, Clone, PartialEq)]
pub struct Staged {
    /// Networks sampled within the budget.
    pub draws: u32,
    /// Cheap scores whose ranks are aggregated.
    pub scores: Vec<String>,
    /// Epochs after which trainings are judged, ascending; empty if trainings cannot be judged before their end.
    pub rungs: Vec<u32>,
    /// After a rung, one in this many networks continues.
    pub reduction: u32,
    /// Whether a rung waits for all its networks.
    pub halving: Halving,
    /// Minimum number of fully trained networks.
    pub finalists: u32,
    /// The measure that judges unfinished trainings.
    pub judge: Judge,
    /// How to pick the winner among the fully trained networks.
    pub choose: FinalChoice,
}

/// A stage of trainings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// Number of networks.
    pub networks: usize,
    /// Total epochs of each network at the end of the stage.
    pub epochs: u32,
}

/// The stages of the largest search with at most `draws` networks and at most `limit` epochs. The last stage trains to the
/// end, `full` epochs. Without rungs it is the only stage.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(rungs: &[u32]) -> Staged {
        let scores = vec!["macs".to_owned()];
        Staged {
            draws: 500,
            scores,
            rungs: rungs.to_vec(),
            reduction: 3,
            halving: Halving::Synchronous,
            finalists: 3,
            judge: Judge::Validation,
            choose: FinalChoice::Accuracy,
        }
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
