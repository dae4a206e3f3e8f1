//! Spaces whose quantities are sums over the choices: exact answers over all architectures.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use nasprof_graph::Arch;
use nasprof_lut::CostTable;

use super::known::{Axis, Limits, Network, Predictors};

/// Maximum number of open and finished prefixes; beyond it there is no exact answer.
const MOST_PREFIXES: usize = 3_000_000;
/// Maximum number of networks of a front; beyond it there is no exact answer.
const MOST_POINTS: usize = 200_000;

/// The contribution of each candidate to some quantities.
pub(super) struct Additive {
    tables: Vec<(Axis, CostTable)>,
    /// Number of candidates of each choice.
    candidates: Vec<usize>,
}

impl Additive {
    /// Tabulates the quantities; `None` if one of them is not a sum over the choices.
    pub(super) fn new(predictors: &Predictors<'_>, axes: &[Axis]) -> Option<Self> {
        let space = predictors.space();
        let mut tables: Vec<(Axis, CostTable)> = Vec::new();
        for &axis in axes {
            let predictors = std::cell::RefCell::new(predictors.clone());
            let value = |arch: &Arch| predictors.borrow_mut().network(arch.clone()).map(|n: Network| axis.of(&n));
            tables.push((axis, CostTable::tabulate(space, value)?));
        }
        Some(Self { tables, candidates: space.choices.iter().map(|choice| choice.candidates.len()).collect() })
    }

    /// For each choice, the smallest sum that this and all later choices can add to a cost.
    fn least_rest(&self, table: &CostTable, sign: f64) -> Vec<f64> {
        let mut rest = vec![0.0; self.candidates.len() + 1];
        for choice in (0..self.candidates.len()).rev() {
            let least = table.contributions(choice).iter().map(|value| sign * value).fold(f64::INFINITY, f64::min);
            rest[choice] = rest[choice + 1] + least;
        }
        rest
    }

    /// The best networks by the first quantity within limits on the others, by best-first search over prefixes (Hart,
    /// Nilsson and Raphael 1968). The smallest cost of the remaining choices is its lower bound, so networks come out in
    /// order. `None` if there are too many prefixes.
    pub(super) fn best(&self, axis: Axis, limits: &Limits, top: usize) -> Option<Vec<Arch>> {
        let ((_, objective), limited) = self.tables.split_first()?;
        let limits: Vec<f64> = limits.set().map(|(_, limit)| limit).collect();
        let sign = axis.sign();
        let rest = self.least_rest(objective, sign);
        let limited: Vec<(&CostTable, Vec<f64>, f64)> =
            limited.iter().zip(limits).map(|((_, table), limit)| (table, self.least_rest(table, 1.0), limit)).collect();
        let mut prefixes = vec![Prefix {
            parent: usize::MAX,
            selected: 0,
            cost: sign * objective.base(),
            limited: limited.iter().map(|(table, ..)| table.base()).collect(),
        }];
        let mut open = BinaryHeap::from([Reverse((Bound(prefixes[0].cost + rest[0]), 0_usize, 0_usize))]);
        let mut found = Vec::new();
        while let Some(Reverse((_, depth, at))) = open.pop() {
            if depth == self.candidates.len() {
                found.push(self.arch(&prefixes, at));
                if found.len() == top {
                    break;
                }
                continue;
            }
            for candidate in 0..self.candidates[depth] {
                let parent = &prefixes[at];
                let cost = parent.cost + sign * objective.contributions(depth)[candidate];
                let values = limited.iter().zip(&parent.limited);
                let values: Vec<f64> =
                    values.map(|((table, ..), value)| value + table.contributions(depth)[candidate]).collect();
                // The tolerance accepts rounding errors in the last digit.
                let mut fits = limited.iter().zip(&values);
                if !fits.all(|((_, rest, limit), value)| value + rest[depth + 1] <= limit * (1.0 + 1e-12)) {
                    continue;
                }
                if prefixes.len() >= MOST_PREFIXES {
                    return None;
                }
                open.push(Reverse((Bound(cost + rest[depth + 1]), depth + 1, prefixes.len())));
                prefixes.push(Prefix { parent: at, selected: candidate as u16, cost, limited: values });
            }
        }
        Some(found)
    }

    fn arch(&self, prefixes: &[Prefix], mut at: usize) -> Arch {
        let mut selected = Vec::with_capacity(self.candidates.len());
        while prefixes[at].parent != usize::MAX {
            selected.push(prefixes[at].selected);
            at = prefixes[at].parent;
        }
        selected.reverse();
        Arch(selected)
    }

    /// The Pareto front of the two quantities. It extends a front of partial networks choice by choice, since no network of
    /// the front contains a dominated part. `None` if the front has too many networks.
    pub(super) fn front(&self, axes: [Axis; 2]) -> Option<Vec<Arch>> {
        let [(_, first), (_, second)] = &self.tables[..] else { return None };
        let signs = axes.map(Axis::sign);
        let start = [signs[0] * first.base(), signs[1] * second.base()];
        // For each choice the points of its front: the predecessor and the candidate.
        let mut stages: Vec<Vec<(u32, u16)>> = Vec::new();
        let mut points: Vec<[f64; 2]> = vec![start];
        for choice in 0..self.candidates.len() {
            let (a, b) = (first.contributions(choice), second.contributions(choice));
            let mut all: Vec<([f64; 2], u32, u16)> = Vec::with_capacity(points.len() * a.len());
            for (from, point) in points.iter().enumerate() {
                for (candidate, (a, b)) in a.iter().zip(b).enumerate() {
                    let value = [point[0] + signs[0] * a, point[1] + signs[1] * b];
                    all.push((value, from as u32, candidate as u16));
                }
            }
            all.sort_by(|a, b| {
                a.0[0].total_cmp(&b.0[0]).then(a.0[1].total_cmp(&b.0[1])).then((a.1, a.2).cmp(&(b.1, b.2)))
            });
            let mut least = f64::INFINITY;
            all.retain(|(value, ..)| {
                let is_better = value[1] < least;
                least = least.min(value[1]);
                is_better
            });
            if all.len() > MOST_POINTS {
                return None;
            }
            points = all.iter().map(|(value, ..)| *value).collect();
            stages.push(all.into_iter().map(|(_, from, candidate)| (from, candidate)).collect());
        }
        let arch = |last: usize| {
            let mut at = last;
            let mut selected: Vec<u16> = Vec::with_capacity(stages.len());
            for stage in stages.iter().rev() {
                let (from, candidate) = stage[at];
                selected.push(candidate);
                at = from as usize;
            }
            selected.reverse();
            Arch(selected)
        };
        Some((0..points.len()).map(arch).collect())
    }
}

/// A selection for the first choices, with its costs.
struct Prefix {
    parent: usize,
    selected: u16,
    cost: f64,
    limited: Vec<f64>,
}

/// A float with a total order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bound(f64);

impl Eq for Bound {}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
