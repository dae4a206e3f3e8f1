//! A search under a budget ends where the most probable architecture keeps to it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use nasprof_graph::Arch;
use nasprof_search::Costs;
use nasprof_search::config::{ArchitectureGradient, Experiment, Plan, Quantity};
use nasprof_search::schedule::{LearningRate, Schedule};
use nasprof_search::selection::{DiscretizationRule, discretize};
use nasprof_spaces::Space;
use nasprof_testkit::luts as lut;
use nasprof_train::Session;
use nasprof_train::optimizer::Optimizer;
use nasprof_train::regularizers::Regularizers;
use nasprof_train::searchers::ProxylessNas;
use nasprof_train::supernet::Distribution;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Tensor};

/// Fifty epochs of nine steps.
fn plan(space: &str, folder: &Path, target: f64) -> Plan {
    let rate = if space.starts_with("darts") { 3e-3 } else { 0.01 };
    let text = format!(
        r#"
format_version = 1
space = "{space}"
[data]
dataset = "fashion-mnist"
path = {folder:?}
train_portion = 0.5
[training]
epochs = 50
batch_size = 5
valid_batch_size = 5
compute = "cpu"
[optimizers.weights]
kind = "sgd"
learning_rate = 0.1
[optimizers.architecture]
kind = "adam"
learning_rate = {rate}
betas = [0.5, 0.999]
[[regularizers]]
kind = "constraint"
quantity = "latency"
target = {target}
lut = {:?}
[searcher]
kind = "darts"
"#,
        folder.join("lut.json")
    );
    Plan::new(Experiment::parse(&text, &[]).unwrap()).unwrap()
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// What every candidate is worth, in place of a network that has to learn it: those that take longer are better, by and
/// large.
struct Worth {
    rows: Vec<Vec<f64>>,
    rng: ChaCha8Rng,
    reinforce: ProxylessNas,
}

impl Worth {
    fn new(space: &Space, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut row = |n: usize| (0..n).map(|k| normal(&mut rng) + k as f64 / n as f64).collect();
        let rows = space.choices.iter().map(|c| row(c.candidates.len())).collect();
        Self { rows, rng, reinforce: ProxylessNas::new(ArchitectureGradient::Reinforce, 10, 0.9) }
    }

    /// As DARTS has it: the derivative of a loss by the alphas, with the noise of batches.
    fn differentiated(&mut self, distribution: &Distribution) -> Vec<Vec<f64>> {
        let mut of = |(p, worth): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
            let g: Vec<f64> = worth.iter().map(|w| -0.02 * (w + 2.0 * normal(&mut self.rng))).collect();
            let mean: f64 = p.iter().zip(&g).map(|(p, g)| p * g).sum();
            p.iter().zip(&g).map(|(p, g)| p * (g - mean)).collect()
        };
        distribution.probabilities().iter().zip(&self.rows).map(&mut of).collect()
    }

    /// As ProxylessNAS has it: rewards of drawn architectures.
    fn reinforced(&mut self, distribution: &Distribution) -> Vec<Vec<f64>> {
        let mut one = || {
            let arch = distribution.sample(&mut self.rng);
            let worth: f64 = arch.0.iter().zip(&self.rows).map(|(&k, w)| w[usize::from(k)]).sum();
            let reward = 0.8 + 0.05 * worth / arch.0.len() as f64 + 0.02 * normal(&mut self.rng);
            (arch, reward)
        };
        let rewards: Vec<(Arch, f64)> = (0..10).map(|_| one()).collect();
        self.reinforce.reinforce(distribution, &rewards)
    }

    fn gradient(&mut self, rule: &DiscretizationRule, distribution: &Distribution) -> Vec<Vec<f64>> {
        match rule {
            DiscretizationRule::PerChoice => self.reinforced(distribution),
            DiscretizationRule::Cells(_) => self.differentiated(distribution),
        }
    }
}

/// How far the most probable architecture is from the target after a search, relative to it.
fn miss(plan: &Plan, distribution: &Distribution) -> f64 {
    let constraint = &plan.regularizers[0];
    let costs = Costs::new(&plan.space, Quantity::Latency, constraint.lut.as_deref()).unwrap();
    let arch = discretize(&DiscretizationRule::of(&plan.space.choices), &distribution.probabilities());
    costs.of(&arch).unwrap() / constraint.settings.target.unwrap() - 1.0
}

fn steps(plan: &Plan) -> usize {
    plan.loaders.as_ref().unwrap().train_batches.steps * 50
}

fn searched(plan: &Plan, rule: &DiscretizationRule, seed: u64) -> f64 {
    let mut session = Session::new(plan, Device::Cpu).unwrap();
    let mut worth = Worth::new(&plan.space, seed);
    for _ in 0..steps(plan) {
        let gradient = worth.gradient(rule, session.distribution());
        session.update_architecture(gradient).unwrap();
    }
    miss(plan, session.distribution())
}

/// The control: multipliers alone.
fn searched_by_expectation(plan: &Plan, rule: &DiscretizationRule, seed: u64) -> f64 {
    let distribution = Distribution::uniform(&plan.space.choices).unwrap();
    let settings = plan.experiment.optimizers.architecture.clone().unwrap();
    let rate = LearningRate::new(Schedule::Constant, settings.learning_rate, 1, 1);
    let alphas = distribution.alphas().iter().enumerate().map(|(i, a)| (i.to_string(), a.shallow_clone())).collect();
    let mut optimizer = Optimizer::new(settings, rate, alphas);
    let mut regularizers = Regularizers::new(&plan.space, &plan.regularizers).unwrap();
    let mut worth = Worth::new(&plan.space, seed);
    for _ in 0..steps(plan) {
        let mut gradient = worth.gradient(rule, &distribution);
        regularizers.add_gradient(&distribution.probabilities(), &mut gradient).unwrap();
        regularizers.update_multipliers();
        let gradient = gradient.iter().enumerate().map(|(i, row)| (i, Tensor::from_slice(row)));
        optimizer.step(gradient.collect()).unwrap();
    }
    miss(plan, &distribution)
}

#[test]
fn the_most_probable_architecture_keeps_to_the_budget() {
    for name in ["darts-fashion-mnist", "mobilenet-fashion-mnist"] {
        let folder = nasprof_testkit::data_sets::fashion(100, 20);
        let space = Space::builtin(name).unwrap();
        let lut = lut::synthetic_lut(&space, "quiet", 0);
        nasprof_lut::write(&lut, &folder.path().join("lut.json")).unwrap();
        let rule = DiscretizationRule::of(&space.choices);
        let costs = Costs::new(&space, Quantity::Latency, Some(&lut)).unwrap();
        // Budgets among what architectures of the space have.
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut row = |n: usize| (0..n).map(|_| rng.random()).collect::<Vec<f64>>();
        let mut draw = || space.choices.iter().map(|c| row(c.candidates.len())).collect::<Vec<_>>();
        let mut random: Vec<f64> = (0..40).map(|_| costs.of(&discretize(&rule, &draw())).unwrap()).collect();
        random.sort_by(f64::total_cmp);
        let (mut kept, mut kept_by_expectation) = (Vec::new(), Vec::new());
        for (seed, target) in [random[10], random[20], random[30]].into_iter().enumerate() {
            let plan = plan(name, folder.path(), target);
            kept.push(searched(&plan, &rule, seed as u64));
            kept_by_expectation.push(searched_by_expectation(&plan, &rule, seed as u64));
        }
        let within = |misses: &[f64]| misses.iter().filter(|miss| (-0.01..=0.0).contains(*miss)).count();
        eprintln!("{name}: {kept:?}, by the expectation alone {kept_by_expectation:?}");
        assert_eq!(within(&kept), 3, "{name}: {kept:?}");
        assert!(within(&kept_by_expectation) < 2, "{name}: by the expectation alone {kept_by_expectation:?}");
    }
}
