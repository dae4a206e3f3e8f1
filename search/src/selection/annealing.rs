//! Simulated annealing: searches for the most probable architecture within limits.

use std::collections::HashMap;

use nasprof_graph::Arch;
use nasprof_spaces::Space;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::discretize::{logs, most_probable, sum_of_logs};
use super::{Cells, DiscretizationRule, Limit, Selected};
use crate::costs::CostError;
use crate::data::{Purpose, stream};

/// Steps of each independent chain; the best architecture of all chains wins. Tabulated costs take nanoseconds. For cells
/// each network is pruned and summed, which takes a millisecond, so there are fewer steps.
const STEPS: u32 = 4000;
const STEPS_OF_CELLS: u32 = 800;
const CHAINS: u64 = 4;
const CHAINS_OF_CELLS: u64 = 2;
/// Temperature at the start and at the end, in units of log probability.
const HOT: f64 = 2.0;
const COLD: f64 = 0.02;

pub(super) struct Annealing<'a> {
    space: &'a Space,
    rule: &'a DiscretizationRule,
    logs: Vec<Vec<f64>>,
    limits: &'a [Limit<'a>],
}

/// The merit of an architecture, by priority: the hard limits, the wanted minimum, the probability.
#[derive(Debug, Clone)]
struct Evaluation {
    violation: f64,
    shortfall: f64,
    log_probability: f64,
    values: Vec<f64>,
}

impl Evaluation {
    fn better_than(&self, other: &Self) -> bool {
        let key = |j: &Self| [-j.violation, -j.shortfall, j.log_probability];
        key(self) > key(other)
    }

    /// The merit as one number for the annealing; less is better. A miss of the wanted minimum by 1 % weighs as much as a
    /// factor of e in probability; a violation of a hard limit by 1 % weighs twice as much in log probability.
    fn energy(&self) -> f64 {
        200.0 * self.violation + 100.0 * self.shortfall - self.log_probability
    }
}

impl<'a> Annealing<'a> {
    pub(super) fn new(
        space: &'a Space,
        rule: &'a DiscretizationRule,
        probabilities: &[Vec<f64>],
        limits: &'a [Limit<'a>],
    ) -> Self {
        Self { space, rule, logs: logs(probabilities), limits }
    }

    pub(super) fn run(&self) -> Result<Selected, CostError> {
        let start = most_probable(self.rule, &self.logs);
        let mut known = HashMap::new();
        let mut best = (start.clone(), self.evaluate(&start, &mut known)?);
        if best.1.violation > 0.0 || best.1.shortfall > 0.0 {
            let (chains, steps) = match self.rule {
                DiscretizationRule::PerChoice => (CHAINS, STEPS),
                DiscretizationRule::Cells(_) => (CHAINS_OF_CELLS, STEPS_OF_CELLS),
            };
            for number in 0..chains {
                let mut rng = stream(0, Purpose::Architectures, u64::MAX, number);
                self.run_chain(start.clone(), steps, &mut best, &mut known, &mut rng)?;
            }
        }
        let (arch, evaluation) = best;
        let repaired = arch != start;
        let feasible = evaluation.violation == 0.0;
        Ok(Selected {
            arch,
            log_probability: evaluation.log_probability,
            values: evaluation.values,
            feasible,
            repaired,
        })
    }

    fn run_chain(
        &self,
        start: Arch,
        steps: u32,
        best: &mut (Arch, Evaluation),
        known: &mut HashMap<Arch, Evaluation>,
        rng: &mut ChaCha8Rng,
    ) -> Result<(), CostError> {
        let mut evaluation = self.evaluate(&start, known)?;
        let mut current = start;
        for step in 0..steps {
            let temperature = HOT * (COLD / HOT).powf(f64::from(step) / f64::from(steps));
            let mut next = current.clone();
            for _ in 0..rng.random_range(1..=2) {
                self.change(&mut next, rng);
            }
            let other = self.evaluate(&next, known)?;
            let worse = other.energy() - evaluation.energy();
            if worse <= 0.0 || rng.random::<f64>() < (-worse / temperature).exp() {
                (current, evaluation) = (next, other);
                if evaluation.better_than(&best.1) {
                    *best = (current.clone(), evaluation.clone());
                }
            }
        }
        Ok(())
    }

    fn evaluate(&self, arch: &Arch, known: &mut HashMap<Arch, Evaluation>) -> Result<Evaluation, CostError> {
        if let Some(evaluation) = known.get(arch) {
            return Ok(evaluation.clone());
        }
        let values = self.limits.iter().map(|l| l.value(arch)).collect::<Result<Vec<_>, _>>()?;
        let both = || self.limits.iter().zip(&values);
        let evaluation = Evaluation {
            violation: both().map(|(limit, &value)| limit.violation(value)).sum(),
            shortfall: both().map(|(limit, &value)| limit.shortfall(value)).sum(),
            log_probability: sum_of_logs(self.rule, &self.logs, arch),
            values: values.clone(),
        };
        known.insert(arch.clone(), evaluation.clone());
        Ok(evaluation)
    }

    fn change(&self, arch: &mut Arch, rng: &mut ChaCha8Rng) {
        match self.rule {
            DiscretizationRule::PerChoice => {
                let i = rng.random_range(0..arch.0.len());
                arch.0[i] = rng.random_range(0..self.space.choices[i].candidates.len()) as u16;
            }
            DiscretizationRule::Cells(cells) => change_edge(cells, arch, rng),
        }
    }
}

/// Changes the operation of a kept edge, or replaces it by another edge of the same node.
fn change_edge(cells: &Cells, arch: &mut Arch, rng: &mut ChaCha8Rng) {
    let Some(edges) = cells.nodes.choose(rng) else { return };
    let (kept, left): (Vec<usize>, Vec<usize>) = edges.iter().partition(|&&i| arch.0[i] != cells.none);
    let Some(&from) = kept.choose(rng) else { return };
    let to = if rng.random() { left.choose(rng).copied().unwrap_or(from) } else { from };
    arch.0[from] = cells.none;
    // `none` is the last operation.
    arch.0[to] = rng.random_range(0..cells.none);
}
