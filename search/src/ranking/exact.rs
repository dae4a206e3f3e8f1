//! Spaces whose quantities are sums over the choices, or increasing functions of such sums: exact answers over all
//! architectures.

use nasprof_graph::Arch;
use nasprof_lut::CostTable;

use super::bounds::Bounds;
use super::known::{Axis, Network, Predictors};
use super::partial::{MOST_SUMS, Stages, Sums};

/// Partial networks that a pass keeps for each choice. Beyond the last number there is no exact answer.
const WIDTHS: [usize; 3] = [5_000, 50_000, 200_000];
/// Maximum number of networks of a front; beyond it there is no exact answer.
const MOST_POINTS: usize = 200_000;

/// The best networks of an additive space.
pub(super) enum Best {
    /// Better ones do not exist.
    Exact(Vec<Arch>),
    /// There are too many partial networks to exclude better ones.
    Good(Vec<Arch>),
}

/// The contributions of all candidates to an objective and to limited quantities, or to two objectives.
pub(super) struct Additive(Sums);

impl Additive {
    /// Tabulates the quantities; `None` if one of them is not a sum over the choices.
    pub(super) fn new(predictors: &Predictors<'_>, axes: &[Axis]) -> Option<Self> {
        let space = predictors.space();
        let mut tables: Vec<(f64, CostTable)> = Vec::new();
        for &axis in axes.iter().take(MOST_SUMS) {
            let predictors = std::cell::RefCell::new(predictors.clone());
            let value = |arch: &Arch| {
                let mut predictors = predictors.borrow_mut();
                let network: Network = predictors.network(arch.clone())?;
                Some(predictors.as_sum(axis, axis.of(&network)))
            };
            tables.push((axis.sign(), CostTable::tabulate(space, value)?));
        }
        let each = |of: &dyn Fn(&CostTable) -> f64| {
            let mut values = [0.0; MOST_SUMS];
            tables.iter().zip(&mut values).for_each(|((sign, table), value)| *value = sign * of(table));
            values
        };
        let choice = |(i, of): (usize, &nasprof_graph::Choice)| {
            (0..of.candidates.len()).map(|candidate| each(&|table| table.contributions(i)[candidate])).collect()
        };
        let contributions = space.choices.iter().enumerate().map(choice).collect();
        Some(Self(Sums::new(tables.len(), each(&CostTable::base), contributions)))
    }

    /// The best networks by the first quantity within these limits on the others, by dynamic programming over the choices with
    /// bounds (Morin and Marsten 1976, Operations Research 24). A pass that keeps only some partial networks finds good
    /// networks; the next pass, which keeps more, needs no partial network whose bound is worse than these.
    pub(super) fn best(&self, limits: &[f64], top: usize) -> Best {
        let bounds = Bounds::new(&self.0, limits);
        let (mut good, mut threshold) = (Vec::new(), f64::MAX);
        for width in WIDTHS {
            let mut stages = Stages::new(&self.0);
            let mut is_exact = true;
            for depth in 1..=self.0.choices() {
                stages.extend(top, |partial| bounds.allow(partial, depth, threshold));
                if stages.last.len() > width {
                    is_exact = false;
                    stages.last.sort_by(|a, b| bounds.lower(a, depth).total_cmp(&bounds.lower(b, depth)));
                    stages.last.truncate(width);
                }
                stages.settle();
            }
            let mut order: Vec<usize> = (0..stages.last.len()).collect();
            let cost = |at: usize| stages.last[at].values[0];
            order.sort_by(|&a, &b| cost(a).total_cmp(&cost(b)));
            order.truncate(top);
            if order.len() == top {
                threshold = cost(order[top - 1]);
            }
            good = order.into_iter().map(|at| stages.arch(at)).collect();
            if is_exact {
                return Best::Exact(good);
            }
        }
        Best::Good(good)
    }

    /// The Pareto front of the two quantities. No network of the front contains a dominated part. `None` if the front has
    /// too many networks.
    pub(super) fn front(&self) -> Option<Vec<Arch>> {
        let mut stages = Stages::new(&self.0);
        for _ in 0..self.0.choices() {
            stages.extend(1, |_| true);
            if stages.last.len() > MOST_POINTS {
                return None;
            }
            stages.settle();
        }
        Some((0..stages.last.len()).map(|at| stages.arch(at)).collect())
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const CHOICES: usize = 6;
    const CANDIDATES: u16 = 4;

    fn values(sums: &Sums, arch: &Arch) -> [f64; MOST_SUMS] {
        let chosen = arch.0.iter().enumerate().map(|(choice, &of)| sums.contributions(choice, usize::from(of)));
        chosen.fold(*sums.start(), |values, added| std::array::from_fn(|sum| values[sum] + added[sum]))
    }

    fn all() -> impl Iterator<Item = Arch> {
        let count = u32::from(CANDIDATES).pow(CHOICES as u32);
        (0..count).map(|number| Arch((0..CHOICES).map(|choice| ((number >> (2 * choice)) & 3) as u16).collect()))
    }

    /// Sums with many ties, negative ones too, and limits that some networks meet.
    fn problem(rng: &mut ChaCha8Rng, limited: usize) -> (Additive, Vec<f64>) {
        let count = limited + 1;
        let random = |rng: &mut ChaCha8Rng| {
            let mut values = [0.0; MOST_SUMS];
            values[..count].fill_with(|| f64::from(rng.random_range(-5..6)) * 0.1);
            values
        };
        let contributions = (0..CHOICES).map(|_| (0..CANDIDATES).map(|_| random(rng)).collect()).collect();
        let start = random(rng);
        let limits = (0..limited).map(|_| f64::from(rng.random_range(-6..7)) * 0.1).collect();
        (Additive(Sums::new(count, start, contributions)), limits)
    }

    /// The objectives of the best networks, by trying all.
    fn tried(sums: &Sums, limits: &[f64], top: usize) -> Vec<f64> {
        let within = |v: &[f64; MOST_SUMS]| v[1..].iter().zip(limits).all(|(value, limit)| *value <= limit + 1e-9);
        let mut costs: Vec<f64> = all().map(|arch| values(sums, &arch)).filter(within).map(|v| v[0]).collect();
        costs.sort_by(f64::total_cmp);
        costs.truncate(top);
        costs
    }

    #[test]
    fn the_best_within_limits_are_those_of_all_networks() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut limited_less, mut empty) = (0, 0);
        for round in 0..64 {
            let (additive, mut limits) = problem(&mut rng, round % 4);
            // Sums of tenths differ in the last digit by the order of addition; no sum is near these limits.
            limits.iter_mut().for_each(|limit| *limit += 0.05);
            let top = [1, 3, 20, 5000][round / 4 % 4];
            let Best::Exact(found) = additive.best(&limits, top) else { panic!("4,096 networks are few") };
            let mut distinct = found.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(distinct.len(), found.len(), "each network once");
            let costs: Vec<f64> = found.iter().map(|arch| values(&additive.0, arch)[0]).collect();
            let expected = tried(&additive.0, &limits, top);
            assert_eq!(costs.len(), expected.len(), "round {round}");
            assert!(costs.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9), "{costs:?} for {expected:?}");
            limited_less += usize::from(expected.first() != tried(&additive.0, &[], top).first());
            empty += usize::from(expected.is_empty());
        }
        assert!(
            limited_less > 15 && empty > 0,
            "the control: limits matter ({limited_less}), and can exclude all ({empty})"
        );
    }
}
