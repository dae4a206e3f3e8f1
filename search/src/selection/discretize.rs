//! Discretisation: from probabilities to the deployed architecture, and a smooth relaxation of that step.
//!
//! Discretisation selects the most probable candidate of every choice. For DARTS cells it keeps the two edges of each node
//! whose best operations are the most probable. It has no gradient.
//!
//! [`Relaxation`] is the distribution of its result when Gumbel noise is added to each candidate's `ln p / temperature`
//! (Jang, Gu, Poole 2017; Maddison, Mnih, Teh 2017). For a choice this is the softmax of `ln p / temperature`. The edges of
//! a node are sampled without replacement (Kool, van Hoof, Welling 2019). At temperature 1 a choice has its own
//! probabilities. As the temperature goes to 0, all weight moves to the discretised architecture.

use nasprof_graph::Arch;

use super::DiscretizationRule;

/// Smallest probability; lower ones are raised to it, so that a candidate that the training gave up can still be selected.
const FLOOR: f64 = 1e-12;

/// Logarithms of probabilities, with a lower bound.
pub(super) fn logs(probabilities: &[Vec<f64>]) -> Vec<Vec<f64>> {
    probabilities.iter().map(|row| row.iter().map(|p| p.max(FLOOR).ln()).collect()).collect()
}

/// Sum of the logarithms of an architecture's probabilities; for DARTS cells, over the kept edges.
#[must_use]
pub fn log_probability(rule: &DiscretizationRule, probabilities: &[Vec<f64>], arch: &Arch) -> f64 {
    sum_of_logs(rule, &logs(probabilities), arch)
}

/// As [`log_probability`], from logarithms.
pub(super) fn sum_of_logs(rule: &DiscretizationRule, logs: &[Vec<f64>], arch: &Arch) -> f64 {
    let counts = |k: u16| match rule {
        DiscretizationRule::PerChoice => true,
        DiscretizationRule::Cells(cells) => k != cells.none,
    };
    arch.0.iter().zip(logs).filter(|(k, _)| counts(**k)).map(|(&k, row)| row[usize::from(k)]).sum()
}

/// The architecture that is deployed without limits; of equal candidates and edges, the first.
#[must_use]
pub fn discretize(rule: &DiscretizationRule, probabilities: &[Vec<f64>]) -> Arch {
    most_probable(rule, &logs(probabilities))
}

/// As [`discretize`], from logarithms.
pub(super) fn most_probable(rule: &DiscretizationRule, logs: &[Vec<f64>]) -> Arch {
    match rule {
        DiscretizationRule::PerChoice => Arch(logs.iter().map(|row| best_of(row, |_| true)).collect()),
        DiscretizationRule::Cells(cells) => {
            let mut arch = Arch(vec![cells.none; logs.len()]);
            for edges in &cells.nodes {
                let choices = edges.iter().map(|&i| (i, best_of(&logs[i], |k| k != cells.none)));
                let mut choices: Vec<(usize, u16)> = choices.collect();
                let log = |&(i, k): &(usize, u16)| logs[i][usize::from(k)];
                // The sort is stable: of equal edges, the first are kept.
                choices.sort_by(|a, b| log(b).total_cmp(&log(a)));
                choices.iter().take(2).for_each(|&(i, k)| arch.0[i] = k);
            }
            arch
        }
    }
}

fn best_of(row: &[f64], allowed: impl Fn(u16) -> bool) -> u16 {
    let candidates = (0..row.len() as u16).rev().filter(|&k| allowed(k));
    candidates.max_by(|&a, &b| row[usize::from(a)].total_cmp(&row[usize::from(b)])).unwrap_or(0)
}

/// Distribution of the discretised architecture under noise. The edges of a node are treated as independent, with their
/// exact probabilities of being kept.
#[derive(Debug)]
pub struct Relaxation<'a> {
    rule: &'a DiscretizationRule,
    temperature: f64,
    /// Shares of the candidates of each choice; for an edge, among its operations without `none`.
    shares: Vec<Vec<f64>>,
    /// The edge sampling of each node of the cells.
    sampling: Vec<EdgeSampling>,
}

impl<'a> Relaxation<'a> {
    /// Relaxes the discretisation of `probabilities` with a positive temperature.
    #[must_use]
    pub fn new(rule: &'a DiscretizationRule, probabilities: &[Vec<f64>], temperature: f64) -> Self {
        let mut logs = logs(probabilities);
        logs.iter_mut().flatten().for_each(|log| *log /= temperature);
        let mut sampling = Vec::new();
        if let DiscretizationRule::Cells(cells) = rule {
            logs.iter_mut().for_each(|row| row[usize::from(cells.none)] = f64::NEG_INFINITY);
            let of_node =
                |edges: &Vec<usize>| EdgeSampling::new(&edges.iter().map(|&i| log_sum(&logs[i])).collect::<Vec<_>>());
            sampling = cells.nodes.iter().map(of_node).collect();
        }
        Self { rule, temperature, shares: logs.iter().map(|row| softmax(row)).collect(), sampling }
    }

    /// Probabilities of the candidates of every choice.
    #[must_use]
    pub fn probabilities(&self) -> Vec<Vec<f64>> {
        let mut rows = self.shares.clone();
        let DiscretizationRule::Cells(cells) = self.rule else { return rows };
        for (edges, sampling) in cells.nodes.iter().zip(&self.sampling) {
            for (&i, kept) in edges.iter().zip(sampling.kept()) {
                rows[i].iter_mut().for_each(|p| *p *= kept);
                rows[i][usize::from(cells.none)] = 1.0 - kept;
            }
        }
        rows
    }

    /// Converts a gradient with respect to [`Relaxation::probabilities`] (up to a constant per choice) to the gradient with
    /// respect to the alphas. `probabilities` are the softmax of the alphas.
    #[must_use]
    pub fn pull_back(&self, probabilities: &[Vec<f64>], gradient: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let means: Vec<f64> = self.shares.iter().zip(gradient).map(|(p, g)| dot(p, g)).collect();
        // For each edge: its probability, and the derivative of the cost with respect to its log weight.
        let mut kept = vec![1.0; means.len()];
        let mut gained = vec![0.0; means.len()];
        if let DiscretizationRule::Cells(cells) = self.rule {
            for (edges, sampling) in cells.nodes.iter().zip(&self.sampling) {
                let gains: Vec<f64> = edges.iter().map(|&i| means[i] - gradient[i][usize::from(cells.none)]).collect();
                for ((&i, k), g) in edges.iter().zip(sampling.kept()).zip(sampling.gradient(&gains)) {
                    (kept[i], gained[i]) = (k, g);
                }
            }
        }
        let of_choice = |(i, p): (usize, &Vec<f64>)| {
            let of_log = |(share, g): (&f64, &f64)| {
                if *share > 0.0 { share * (kept[i] * (g - means[i]) + gained[i]) / self.temperature } else { 0.0 }
            };
            let of_logs: Vec<f64> = self.shares[i].iter().zip(&gradient[i]).map(of_log).collect();
            // ln p = alpha - ln sum exp(alpha).
            let sum: f64 = of_logs.iter().sum();
            of_logs.iter().zip(p).map(|(g, p)| g - p * sum).collect()
        };
        probabilities.iter().enumerate().map(of_choice).collect()
    }
}

/// The distribution of two edges of a node, drawn one after the other by their weights.
#[derive(Debug)]
struct EdgeSampling {
    first: Vec<f64>,
    /// Probabilities of the second draw for each first draw; the first edge has probability 0.
    second: Vec<Vec<f64>>,
}

impl EdgeSampling {
    fn new(logs: &[f64]) -> Self {
        let without = |j: usize| {
            let mut logs = logs.to_vec();
            logs[j] = f64::NEG_INFINITY;
            softmax(&logs)
        };
        Self { first: softmax(logs), second: (0..logs.len()).map(without).collect() }
    }

    /// The probability that each edge is drawn.
    fn kept(&self) -> Vec<f64> {
        let kept = |e: usize| self.first[e] + self.first.iter().zip(&self.second).map(|(p, s)| p * s[e]).sum::<f64>();
        (0..self.first.len()).map(|e| kept(e).min(1.0)).collect()
    }

    /// Gradient of `sum gains * kept` with respect to the logarithms of the weights.
    fn gradient(&self, gains: &[f64]) -> Vec<f64> {
        let of_second: Vec<f64> = self.second.iter().map(|s| dot(s, gains)).collect();
        let of_first: Vec<f64> = gains.iter().zip(&of_second).map(|(g, s)| g + s).collect();
        let mean = dot(&self.first, &of_first);
        let one = |a: usize| {
            let after = self.first.iter().zip(&self.second).zip(&of_second);
            let second: f64 = after.map(|((p, s), mean)| p * s[a] * (gains[a] - mean)).sum();
            self.first[a] * (of_first[a] - mean) + second
        };
        (0..gains.len()).map(one).collect()
    }
}

fn dot(shares: &[f64], values: &[f64]) -> f64 {
    shares.iter().zip(values).map(|(p, v)| p * v).sum()
}

fn log_sum(row: &[f64]) -> f64 {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let sum = log_sum(row);
    row.iter().map(|x| (x - sum).exp()).collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::Cells;
    use super::*;

    /// A node with two edges and one with four, three operations and `none`.
    fn cells() -> DiscretizationRule {
        DiscretizationRule::Cells(Cells { nodes: vec![vec![0, 1], vec![2, 3, 4, 5]], none: 3 })
    }

    fn random(rows: usize, candidates: usize, spread: f64, seed: u64) -> Vec<Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..rows).map(|_| (0..candidates).map(|_| rng.random_range(-spread..spread)).collect()).collect()
    }

    fn probabilities(alphas: &[Vec<f64>]) -> Vec<Vec<f64>> {
        alphas.iter().map(|row| softmax(row)).collect()
    }

    /// The definition: discretise what noise has disturbed, many times.
    #[test]
    fn softened_is_the_share_of_disturbed_discretisations() {
        for (rule, temperature) in [(DiscretizationRule::PerChoice, 0.4), (cells(), 1.0), (cells(), 0.3)] {
            let alphas = random(6, 4, 0.5, 1);
            let relaxed = Relaxation::new(&rule, &probabilities(&alphas), temperature).probabilities();
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            let draws = 40_000;
            let mut counts = vec![vec![0_u32; 4]; 6];
            for _ in 0..draws {
                let mut disturbed = logs(&probabilities(&alphas));
                for log in disturbed.iter_mut().flatten() {
                    *log = *log / temperature - (-rng.random::<f64>().ln()).ln();
                }
                let arch = most_probable(&rule, &disturbed);
                arch.0.iter().zip(&mut counts).for_each(|(&k, row)| row[usize::from(k)] += 1);
            }
            for (row, counted) in relaxed.iter().zip(&counts) {
                assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{row:?}");
                for (p, &n) in row.iter().zip(counted) {
                    let share = f64::from(n) / f64::from(draws);
                    assert!((p - share).abs() < 0.0125, "{relaxed:?} is not {counts:?}");
                }
            }
            // The control: undisturbed probabilities are something else.
            let plain = probabilities(&alphas);
            let far = plain.iter().flatten().zip(relaxed.iter().flatten()).any(|(a, b)| (a - b).abs() > 0.05);
            assert!(far, "at {temperature} nothing is relaxed");
        }
    }

    #[test]
    fn the_gradient_is_that_of_difference_quotients() {
        for (rule, temperature) in
            [(DiscretizationRule::PerChoice, 1.0), (DiscretizationRule::PerChoice, 0.2), (cells(), 1.0), (cells(), 0.2)]
        {
            let alphas = random(6, 4, 1.0, 3);
            let costs = random(6, 4, 1.0, 4);
            let value = |alphas: &[Vec<f64>]| -> f64 {
                let rows = Relaxation::new(&rule, &probabilities(alphas), temperature).probabilities();
                rows.iter().zip(&costs).map(|(p, c)| dot(p, c)).sum()
            };
            let p = probabilities(&alphas);
            let gradient = Relaxation::new(&rule, &p, temperature).pull_back(&p, &costs);
            for i in 0..6 {
                for k in 0..4 {
                    let at = |by: f64| {
                        let mut moved = alphas.clone();
                        moved[i][k] += by;
                        value(&moved)
                    };
                    let quotient = (at(1e-5) - at(-1e-5)) / 2e-5;
                    assert!((quotient - gradient[i][k]).abs() < 1e-7, "{i} {k}: {quotient} {}", gradient[i][k]);
                }
            }
        }
    }

    /// Towards temperature 0 it is the discretised architecture, and everything stays a number.
    #[test]
    fn cold_it_is_the_discretisation() {
        for rule in [DiscretizationRule::PerChoice, cells()] {
            let p = probabilities(&random(6, 4, 20.0, 5));
            let relaxed = Relaxation::new(&rule, &p, 1e-6);
            let arch = discretize(&rule, &p);
            for (row, &k) in relaxed.probabilities().iter().zip(&arch.0) {
                assert!(row[usize::from(k)] > 1.0 - 1e-9, "{row:?} {k}");
            }
            let back = relaxed.pull_back(&p, &random(6, 4, 1.0, 6));
            assert!(back.iter().flatten().all(|g| g.is_finite()), "{back:?}");
        }
    }
}
