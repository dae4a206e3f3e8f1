//! The architecture's side of the searchers: worked numbers, bandits with known rewards, budgets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use nasprof_graph::{Arch, Choice, GraphBuilder, Op};
use nasprof_search::config::{
    self, ArchitectureGradient, LoadedRegularizer, OptimizerKind, Quantity, Regularizer, RegularizerKind,
};
use nasprof_search::schedule::{LearningRate, Schedule};
use nasprof_search::selection::{DiscretizationRule, select};
use nasprof_spaces::Space;
use nasprof_train::optimizer::Optimizer;
use nasprof_train::regularizers::Regularizers;
use nasprof_train::searchers::{FairSampler, ProxylessNas};
use nasprof_train::supernet::Distribution;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

/// Arms with 9, 36 and 144 parameters: a choice among convolutions of three sizes, on each of `choices` places.
fn arms(choices: usize) -> Space {
    let mut b = GraphBuilder::new();
    let mut x = b.input("x", [1, 3, 4, 4]).unwrap();
    for i in 0..choices {
        let arm = |b: &mut GraphBuilder, width: usize| {
            b.scope(format!("{i}/{width}"), |b| {
                let y = b.add("in", Op::conv(width, 1, 1, 0), &[x])?;
                b.add("out", Op::conv(3, 1, 1, 0), &[y])
            })
        };
        let built = [1, 4, 16].map(|width| (format!("{width}"), arm(&mut b, width).unwrap()));
        x = b.choice(&format!("choice{i}"), built.to_vec()).unwrap();
    }
    Space::new("arms", b.build(&[x]).unwrap())
}

fn regularizer(
    kind: RegularizerKind,
    target: Option<f64>,
    upper: Option<f64>,
    weight: Option<f64>,
) -> LoadedRegularizer {
    let settings =
        Regularizer { kind, quantity: Quantity::Params, upper, lower: None, target, weight, lut: None, timing: None };
    LoadedRegularizer { settings, lut: None }
}

fn adam(distribution: &Distribution, rate: f64) -> Optimizer {
    let settings = config::Optimizer { betas: [0.5, 0.999], ..config::Optimizer::new(OptimizerKind::Adam, rate) };
    let alphas = distribution.alphas().iter().enumerate().map(|(i, a)| (i.to_string(), a.shallow_clone())).collect();
    Optimizer::new(settings, LearningRate::new(Schedule::Constant, rate, 1, 1), alphas)
}

/// Lets REINFORCE play with given rewards by arm.
fn play(space: &Space, loaded: &[LoadedRegularizer], steps: u32, reward: impl Fn(&Arch) -> f64) -> Distribution {
    let distribution = Distribution::uniform(&space.choices).unwrap();
    let mut regularizers = Regularizers::new(space, loaded).unwrap();
    let mut optimizer = adam(&distribution, 0.02);
    let mut searcher = ProxylessNas::new(ArchitectureGradient::Reinforce, 10, 0.9);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..steps {
        let drawn: Vec<Arch> = (0..10).map(|_| distribution.sample(&mut rng)).collect();
        let rewards: Vec<(Arch, f64)> = drawn
            .into_iter()
            .map(|arch| {
                let earned = regularizers.reward(reward(&arch), &arch).unwrap().unwrap_or(0.0);
                (arch, earned)
            })
            .collect();
        let mut gradient = searcher.reinforce(&distribution, &rewards);
        let probabilities = distribution.probabilities();
        regularizers.add_gradient(&probabilities, &mut gradient).unwrap();
        regularizers.update_multipliers();
        optimizer.step(gradient.iter().enumerate().map(|(i, row)| (i, Tensor::from_slice(row))).collect()).unwrap();
    }
    distribution
}

/// Larger arms are better.
fn larger_is_better(arch: &Arch) -> f64 {
    [0.5, 0.7, 0.8][usize::from(arch.0[0])]
}

/// The gradient of NNabla-NAS' `ProxylessNasSearcher`: n = 3, M = 2, picks 1 and 2, rewards 0.8 and 0.6, baseline 0.5.
#[test]
fn reinforce_of_the_reference() {
    let distribution = Distribution::uniform(&arms(1).choices).unwrap();
    let mut searcher = ProxylessNas::new(ArchitectureGradient::Reinforce, 2, 0.9);
    searcher.reinforce(&distribution, &[(Arch(vec![0]), 0.5 / 0.9)]);
    assert!((searcher.baseline() - 0.5).abs() < 1e-12);
    let gradient = searcher.reinforce(&distribution, &[(Arch(vec![1]), 0.8), (Arch(vec![2]), 0.6)]);
    for (g, expected) in gradient[0].iter().zip([0.066_667, -0.083_333, 0.016_667]) {
        assert!((g - expected).abs() < 1e-6, "{gradient:?}");
    }
    assert!((searcher.baseline() - 0.68).abs() < 1e-12);
}

#[test]
fn a_bandit_finds_the_best_arm_and_switches_when_it_is_too_large() {
    let space = arms(1);
    let winner = |loaded: &[LoadedRegularizer]| play(&space, loaded, 400, larger_is_better).most_probable();
    assert_eq!(winner(&[]), Arch(vec![2]));
    // Arms have 6, 24 and 96 parameters.
    let limits = [
        regularizer(RegularizerKind::Reject, None, Some(50.0), None),
        regularizer(RegularizerKind::Reward, None, Some(24.0), Some(0.5)),
        regularizer(RegularizerKind::Penalty, None, None, Some(0.005)),
    ];
    for limit in limits {
        let kind = limit.settings.kind;
        assert_eq!(winner(&[limit]), Arch(vec![1]), "{kind:?}");
    }
    // Limits that do not bind change nothing; two at once act both.
    assert_eq!(winner(&[regularizer(RegularizerKind::Reject, None, Some(96.0), None)]), Arch(vec![2]));
    let both = [
        regularizer(RegularizerKind::Reject, None, Some(50.0), None),
        regularizer(RegularizerKind::Penalty, None, None, Some(0.05)),
    ];
    assert_eq!(winner(&both), Arch(vec![0]));
}

/// The multiplier finds the weight that holds the expected cost at the target, wherever the target is.
#[test]
fn a_constraint_meets_its_target() {
    let space = arms(4);
    let expected = |distribution: &Distribution| -> f64 {
        distribution.probabilities().iter().map(|p| 6.0 * p[0] + 24.0 * p[1] + 96.0 * p[2]).sum()
    };
    let reward = |arch: &Arch| arch.0.iter().map(|&k| [0.5, 0.7, 0.8][usize::from(k)]).sum::<f64>() / 4.0;
    for target in [60.0, 150.0, 300.0] {
        let constraint = [regularizer(RegularizerKind::Constraint, Some(target), None, None)];
        let found = expected(&play(&space, &constraint, 1500, reward));
        assert!((found / target - 1.0).abs() < 0.05, "{found} is not {target}");
        let loose = expected(&play(&space, &[], 1500, reward));
        assert!((loose / target - 1.0).abs() > 0.2, "without the constraint it is {loose} as well");
    }
}

#[test]
fn the_winner_is_the_most_probable_within_the_limits() {
    let space = arms(4);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for round in 0..20 {
        let probabilities: Vec<Vec<f64>> = (0..4)
            .map(|_| {
                let raw: Vec<f64> = (0..3).map(|_| rand::Rng::random_range(&mut rng, 0.05..1.0)).collect();
                let sum: f64 = raw.iter().sum();
                raw.iter().map(|p| p / sum).collect()
            })
            .collect();
        let cost = |arch: &Arch| arch.0.iter().map(|&k| [6.0, 24.0, 96.0][usize::from(k)]).sum::<f64>();
        let log = |arch: &Arch| arch.0.iter().zip(&probabilities).map(|(&k, p)| p[usize::from(k)].ln()).sum::<f64>();
        let all: Vec<Arch> = (0..81_u16).map(|i| Arch(vec![i / 27, i / 9 % 3, i / 3 % 3, i % 3])).collect();
        let limit = 40.0 + 20.0 * f64::from(round);
        let best = all.iter().filter(|a| cost(a) <= limit).max_by(|a, b| log(a).total_cmp(&log(b))).unwrap();
        let loaded = [regularizer(RegularizerKind::Reject, None, Some(limit), None)];
        let regularizers = Regularizers::new(&space, &loaded).unwrap();
        let selected =
            select(&space, &DiscretizationRule::of(&space.choices), &probabilities, &regularizers.limits(|_| 1.0))
                .unwrap();
        assert_eq!(&selected.arch, best, "limit {limit}");
        assert!(selected.feasible && selected.values[0] <= limit);
        let free = all.iter().max_by(|a, b| log(a).total_cmp(&log(b))).unwrap();
        assert_eq!(selected.repaired, best != free);
        // A measured latency above the estimate makes the limit tighter; the factor is for latencies only.
        let again =
            select(&space, &DiscretizationRule::of(&space.choices), &probabilities, &regularizers.limits(|_| 1.2))
                .unwrap();
        assert_eq!(again.arch, selected.arch);
    }
}

#[test]
fn limits_that_nothing_meets_are_said() {
    let space = arms(2);
    let loaded = [regularizer(RegularizerKind::Reject, None, Some(11.0), None)];
    let regularizers = Regularizers::new(&space, &loaded).unwrap();
    let uniform = vec![vec![1.0 / 3.0; 3]; 2];
    let selected = select(&space, &DiscretizationRule::PerChoice, &uniform, &regularizers.limits(|_| 1.0)).unwrap();
    assert!(!selected.feasible);
    assert_eq!(selected.arch, Arch(vec![0, 0]));
}

/// Of DARTS cells two edges a node are kept; with limits as well.
#[test]
fn cells_keep_two_edges_of_each_node() {
    let space = Space::builtin("darts-cifar10").unwrap();
    let rule = DiscretizationRule::of(&space.choices);
    assert!(matches!(rule, DiscretizationRule::Cells(_)));
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let probabilities: Vec<Vec<f64>> = space
        .choices
        .iter()
        .map(|c| {
            let raw: Vec<f64> = c.candidates.iter().map(|_| rand::Rng::random_range(&mut rng, 0.1..1.0)).collect();
            let sum: f64 = raw.iter().sum();
            raw.iter().map(|p| p / sum).collect()
        })
        .collect();
    let kept = |arch: &Arch| {
        let mut nodes = std::collections::BTreeMap::new();
        for (choice, &k) in space.choices.iter().zip(&arch.0) {
            let (cell, edge) = choice.name.split_once('/').unwrap();
            let node = edge.rsplit_once('_').unwrap().1;
            *nodes.entry((cell, node)).or_insert(0) += usize::from(k != 7);
        }
        nodes.into_values().collect::<Vec<usize>>()
    };
    let free = select(&space, &rule, &probabilities, &[]).unwrap();
    assert_eq!(kept(&free.arch), [2; 8]);
    // The same as the discretisation of the graph crate, which has the reference's numbers.
    for (cell, first) in [("normal", 0), ("reduce", 14)] {
        let discrete = nasprof_spaces::darts::discretize_probabilities(&probabilities[first..first + 14]).unwrap();
        let names: Vec<&str> = discrete.choices.iter().map(|op| op.name()).collect();
        let own: Vec<&str> = space.choices[first..first + 14]
            .iter()
            .zip(&free.arch.0[first..])
            .map(|(c, &k)| {
                assert!(c.name.starts_with(cell));
                c.candidates[usize::from(k)].as_str()
            })
            .collect();
        assert_eq!(own, names);
    }
    let limit = free.values.first().copied().unwrap_or(200_000.0);
    let loaded = [regularizer(RegularizerKind::Reject, None, Some(limit), None)];
    let regularizers = Regularizers::new(&space, &loaded).unwrap();
    let cut = select(&space, &rule, &probabilities, &regularizers.limits(|_| 1.0)).unwrap();
    assert!(cut.feasible && cut.values[0] <= limit, "{:?}", cut.values);
    assert_eq!(kept(&cut.arch), [2; 8]);
}

#[test]
fn fair_draws_are_permutations() {
    let choices: Vec<Choice> = [3, 4]
        .into_iter()
        .map(|n| Choice { name: n.to_string(), candidates: (0..n).map(|i| i.to_string()).collect() })
        .collect();
    let mut sampler = FairSampler::new(3);
    let drawn: Vec<Arch> = (0..24).map(|_| sampler.sample(&choices)).collect();
    for (i, n) in [(0, 3), (1, 4)] {
        let mut orders = std::collections::BTreeSet::new();
        for group in drawn.chunks(n) {
            let order: Vec<u16> = group.iter().map(|a| a.0[i]).collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..n as u16).collect::<Vec<_>>());
            orders.insert(order);
        }
        assert!(orders.len() > 1, "every permutation is the same");
    }
    // Choices are drawn independently of each other.
    let mut alike = FairSampler::new(3);
    let twins = [choices[0].clone(), choices[0].clone()];
    assert!((0..24).map(|_| alike.sample(&twins)).any(|a| a.0[0] != a.0[1]));
}
