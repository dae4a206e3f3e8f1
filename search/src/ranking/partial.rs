//! Networks of which only the first choices are made, and the sums that they and their completions have.

use std::collections::BinaryHeap;

use nasprof_graph::Arch;

use super::total::Total;

/// Maximum number of sums at once: an objective, and limits on two latencies, parameters and MACs.
pub(super) const MOST_SUMS: usize = 5;
/// Partial networks with which each one is compared if there are more than two sums.
const WINDOW: usize = 300;

/// The contributions of all candidates to several sums; less is better. Unused sums are zero.
pub(super) struct Sums {
    /// Number of sums.
    pub(super) count: usize,
    start: [f64; MOST_SUMS],
    contributions: Vec<Vec<[f64; MOST_SUMS]>>,
    least_rest: Vec<[f64; MOST_SUMS]>,
    most_rest: Vec<[f64; MOST_SUMS]>,
}

impl Sums {
    /// From the sums of the network that selects the first candidate everywhere, and what each candidate of each choice adds.
    pub(super) fn new(count: usize, start: [f64; MOST_SUMS], contributions: Vec<Vec<[f64; MOST_SUMS]>>) -> Self {
        let rest = |of: fn(f64, f64) -> f64| {
            let mut rest = vec![[0.0; MOST_SUMS]; contributions.len() + 1];
            for (choice, candidates) in contributions.iter().enumerate().rev() {
                let after = rest[choice + 1];
                rest[choice] = std::array::from_fn(|sum| {
                    after[sum] + candidates.iter().map(|values| values[sum]).reduce(of).unwrap_or(0.0)
                });
            }
            rest
        };
        let (least_rest, most_rest) = (rest(f64::min), rest(f64::max));
        Self { count, start, contributions, least_rest, most_rest }
    }

    /// Number of choices.
    pub(super) fn choices(&self) -> usize {
        self.contributions.len()
    }

    /// Number of candidates of a choice.
    pub(super) fn candidates(&self, choice: usize) -> usize {
        self.contributions[choice].len()
    }

    /// The sums without any choice made.
    pub(super) fn start(&self) -> &[f64; MOST_SUMS] {
        &self.start
    }

    /// What a candidate of a choice adds to each sum.
    pub(super) fn contributions(&self, choice: usize, candidate: usize) -> &[f64; MOST_SUMS] {
        &self.contributions[choice][candidate]
    }

    /// The least that this and all later choices add to each sum.
    pub(super) fn least_rest(&self, choice: usize) -> &[f64; MOST_SUMS] {
        &self.least_rest[choice]
    }

    /// The most that this and all later choices add to each sum.
    pub(super) fn most_rest(&self, choice: usize) -> &[f64; MOST_SUMS] {
        &self.most_rest[choice]
    }
}

/// A network of which the first choices are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partial {
    /// Its sums.
    pub(super) values: [f64; MOST_SUMS],
    /// The partial network without its last choice, as an index into the stage before.
    parent: u32,
    candidate: u16,
}

/// Partial networks, extended choice by choice.
pub(super) struct Stages<'a> {
    sums: &'a Sums,
    /// For each choice made, the parent and the candidate of each partial network.
    made: Vec<Vec<(u32, u16)>>,
    /// The partial networks with all these choices.
    pub(super) last: Vec<Partial>,
}

impl<'a> Stages<'a> {
    /// No choice is made.
    pub(super) fn new(sums: &'a Sums) -> Self {
        let nothing = Partial { values: *sums.start(), parent: 0, candidate: 0 };
        Self { sums, made: Vec::new(), last: vec![nothing] }
    }

    /// Makes the next choice in all ways that `keep` allows, and leaves out what `top` others are as good as.
    pub(super) fn extend(&mut self, top: usize, keep: impl Fn(&mut Partial) -> bool) {
        let choice = self.made.len();
        let mut next = Vec::new();
        for (parent, partial) in self.last.iter().enumerate() {
            for candidate in 0..self.sums.candidates(choice) {
                let added = self.sums.contributions(choice, candidate);
                let values = std::array::from_fn(|sum| partial.values[sum] + added[sum]);
                let mut extended = Partial { values, parent: parent as u32, candidate: candidate as u16 };
                if keep(&mut extended) {
                    next.push(extended);
                }
            }
        }
        leave_out_dominated(&mut next, self.sums.count, top);
        self.last = next;
    }

    /// Ends the extension by one choice, after which the partial networks have their places.
    pub(super) fn settle(&mut self) {
        self.made.push(self.last.iter().map(|partial| (partial.parent, partial.candidate)).collect());
    }

    /// The selection of one of the last networks.
    pub(super) fn arch(&self, mut at: usize) -> Arch {
        let mut selected: Vec<u16> = Vec::with_capacity(self.made.len());
        for stage in self.made.iter().rev() {
            let (parent, candidate) = stage[at];
            selected.push(candidate);
            at = parent as usize;
        }
        selected.reverse();
        Arch(selected)
    }
}

/// Sorts partial networks and leaves out those that at least `top` others equal or beat in every sum: whatever completes such
/// a one also completes the others, so it is not needed for the best `top`. With more than two sums some of them stay.
fn leave_out_dominated(partials: &mut Vec<Partial>, sums: usize, top: usize) {
    partials.sort_unstable_by(|a, b| {
        let by_sums = a.values.iter().zip(&b.values).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
        by_sums.unwrap_or_else(|| (a.parent, a.candidate).cmp(&(b.parent, b.candidate)))
    });
    match sums {
        0 | 1 => partials.truncate(top),
        2 => {
            // The least second sums so far, of which the largest is on top.
            let mut least = BinaryHeap::with_capacity(top + 1);
            partials.retain(|partial| {
                let value = Total(partial.values[1]);
                let is_needed = least.len() < top || least.peek().is_some_and(|largest| value < *largest);
                if is_needed {
                    least.push(value);
                    if least.len() > top {
                        least.pop();
                    }
                }
                is_needed
            });
        }
        _ => {
            let mut kept: Vec<Partial> = Vec::new();
            for partial in partials.iter() {
                let beats = |other: &&Partial| (1..sums).all(|sum| other.values[sum] <= partial.values[sum]);
                if kept.iter().rev().take(WINDOW.max(2 * top)).filter(beats).nth(top - 1).is_none() {
                    kept.push(*partial);
                }
            }
            *partials = kept;
        }
    }
}
