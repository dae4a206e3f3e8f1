//! The promotions of asynchronous successive halving (ASHA, Li et al., MLSys 2020): which network is trained next.
//!
//! A free worker takes a network that is among the best of those judged at its rung so far, in the share that goes on. If
//! there is none, it starts a new one. Unlike in the paper, each stage has as many places as in the synchronous search, so
//! that both cost the same. Once no more networks can reach a rung, the best of those left there get the places.

use std::collections::VecDeque;

use super::{Progress, Rung};
use crate::config::Judge;

/// The state of all trainings. Inside, networks are numbered by their rank.
#[derive(Debug, Clone)]
pub(super) struct Promotions {
    rungs: Vec<Rung>,
    judge: Judge,
    /// The networks, from the best rank to the worst.
    order: Vec<usize>,
    /// The last stage that each network entered.
    stages: Vec<Option<usize>>,
    /// Number of networks that entered each stage.
    entered: Vec<usize>,
    /// Number of networks whose training in each stage ended; some may have failed.
    ended: Vec<usize>,
    /// Badness and rank of the networks judged after each stage, the best one first.
    judged: Vec<Vec<(f64, usize)>>,
    /// Networks that were in training when the search was interrupted.
    interrupted: VecDeque<usize>,
}

impl Promotions {
    /// Nothing is trained yet. `order` has the networks from the best rank to the worst.
    pub(super) fn new(rungs: Vec<Rung>, order: Vec<usize>, judge: Judge) -> Self {
        let count = rungs.len();
        Self {
            judge,
            stages: vec![None; order.len()],
            order,
            entered: vec![0; count],
            ended: vec![0; count],
            judged: vec![Vec::new(); count],
            interrupted: VecDeque::new(),
            rungs,
        }
    }

    /// A network that went on to its next stage before the search was interrupted.
    pub(super) fn entered_before(&mut self, network: usize) {
        if let Some(rank) = self.rank(network) {
            self.enter(rank);
        }
    }

    /// As [`Promotions::entered_before`], for the stage in which the search was interrupted: it is trained first.
    pub(super) fn interrupted(&mut self, network: usize) {
        if let Some(rank) = self.rank(network) {
            self.enter(rank);
            self.interrupted.push_back(rank);
        }
    }

    /// The network to train now, and the epochs it shall have then; `None` if there is nothing to do until another one ends.
    pub(super) fn next(&mut self) -> Option<(usize, u32)> {
        let rank = match self.interrupted.pop_front() {
            Some(rank) => rank,
            None => {
                let rank = self.best_to_go_on().or_else(|| self.new_one())?;
                self.enter(rank);
                rank
            }
        };
        let stage = self.stages[rank]?;
        Some((self.order[rank], self.rungs[stage].epochs))
    }

    /// Takes the progress of a network in its stage; `None` if its training failed.
    pub(super) fn ended(&mut self, network: usize, progress: Option<&Progress>) {
        let Some((rank, stage)) = self.rank(network).and_then(|rank| Some((rank, self.stages[rank]?))) else { return };
        self.ended[stage] += 1;
        if let Some(progress) = progress {
            let judged = &mut self.judged[stage];
            judged.push((progress.badness(self.judge), rank));
            judged.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
    }

    /// The stage in which all trainings failed, with their number.
    pub(super) fn dead_end(&self) -> Option<(usize, usize)> {
        let entered = self.entered.iter().copied().enumerate();
        entered.into_iter().find(|&(stage, count)| count > 0 && self.judged[stage].is_empty())
    }

    fn rank(&self, network: usize) -> Option<usize> {
        self.order.iter().position(|&other| other == network)
    }

    fn enter(&mut self, rank: usize) {
        let stage = self.stages[rank].map_or(0, |stage| stage + 1);
        self.stages[rank] = Some(stage);
        self.entered[stage] += 1;
    }

    fn is_full(&self, stage: usize) -> bool {
        self.entered[stage] >= self.rungs[stage].networks
    }

    fn new_one(&self) -> Option<usize> {
        self.stages.iter().position(Option::is_none).filter(|_| !self.is_full(0))
    }

    /// The network to promote, at the highest rung that has one.
    fn best_to_go_on(&self) -> Option<usize> {
        (1..self.rungs.len()).rev().filter(|&to| !self.is_full(to)).find_map(|to| {
            let (place, rank) = self.best_left(to - 1)?;
            let is_among_best =
                (place + 1) * self.rungs[to - 1].networks <= self.ended[to - 1] * self.rungs[to].networks;
            (is_among_best || self.is_over(to - 1)).then_some(rank)
        })
    }

    /// The best network that did not go on from a stage, with its place among all that were judged after it.
    fn best_left(&self, stage: usize) -> Option<(usize, usize)> {
        let judged = self.judged[stage].iter().map(|&(_, rank)| rank).enumerate();
        judged.into_iter().find(|&(_, rank)| self.stages[rank] == Some(stage))
    }

    /// Whether no more networks will be judged after a stage.
    fn is_over(&self, stage: usize) -> bool {
        let none_comes = || match stage {
            0 => self.new_one().is_none(),
            _ => self.is_over(stage - 1) && self.best_left(stage - 1).is_none(),
        };
        self.ended[stage] == self.entered[stage] && (self.is_full(stage) || none_comes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(valid: f64) -> Progress {
        Progress { epochs: 1, loss: None, valid, losses: None }
    }

    /// Six networks, of which two go on; networks 10 to 15, and 10 has the best rank.
    fn six() -> Promotions {
        let rungs = vec![Rung { networks: 6, epochs: 1 }, Rung { networks: 2, epochs: 3 }];
        Promotions::new(rungs, (10..16).collect(), Judge::Validation)
    }

    #[test]
    fn the_best_of_those_judged_goes_on_without_waiting_for_the_others() {
        let mut promotions = six();
        assert_eq!([promotions.next(), promotions.next(), promotions.next()], [10, 11, 12].map(|n| Some((n, 1))));
        promotions.ended(11, Some(&progress(0.5)));
        promotions.ended(12, Some(&progress(0.7)));
        // Two judged: a third of them is none. So the next one starts.
        assert_eq!(promotions.next(), Some((13, 1)));
        promotions.ended(13, Some(&progress(0.6)));
        // Of three the best goes on, while network 10 is still in training.
        assert_eq!(promotions.next(), Some((12, 3)));
        assert_eq!([promotions.next(), promotions.next()], [14, 15].map(|n| Some((n, 1))));
        // Nothing to do: five are judged, and a third of five is one.
        promotions.ended(14, Some(&progress(0.8)));
        promotions.ended(15, None);
        assert_eq!(promotions.next(), Some((14, 3)));
        assert_eq!(promotions.next(), None, "both places are taken");
        promotions.ended(10, Some(&progress(0.9)));
        assert_eq!(promotions.next(), None, "too late, whatever it is worth");
    }

    #[test]
    fn who_is_left_gets_the_places_once_no_more_can_come() {
        let mut promotions = six();
        for network in 10..16 {
            assert_eq!(promotions.next(), Some((network, 1)));
        }
        // Five fail. While the last one is in training, nothing goes on.
        (11..16).for_each(|network| promotions.ended(network, None));
        assert_eq!(promotions.next(), None);
        promotions.ended(10, Some(&progress(0.1)));
        assert_eq!((promotions.next(), promotions.next()), (Some((10, 3)), None));
    }

    /// What an interrupted search did is entered again, and what it did not finish comes first.
    #[test]
    fn an_interrupted_search_goes_on() {
        let mut promotions = six();
        for (network, valid) in [(12, 0.7), (11, 0.5), (13, 0.6)] {
            promotions.entered_before(network);
            promotions.ended(network, Some(&progress(valid)));
        }
        promotions.interrupted(12);
        promotions.interrupted(10);
        assert_eq!([promotions.next(), promotions.next()], [Some((12, 3)), Some((10, 1))]);
        assert_eq!(promotions.next(), Some((14, 1)), "the next new one");
    }
}
