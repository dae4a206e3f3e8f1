//! Compares methods on a table of trained networks: thousands of searches, each with a seed of its own.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use nasprof_graph::{Arch, Choice};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

pub use super::mean::Mean;
use super::table::{AccuracyTable, TableTrainings};
use super::{Fault, Found, Method, MethodError, Networks, search};

/// The networks of a table within a budget.
#[derive(Debug, Clone)]
pub struct Pool<'a> {
    choices: &'a [Choice],
    archs: Vec<Arch>,
    sorted: Vec<Arch>,
}

impl<'a> Pool<'a> {
    /// A pool of these networks.
    #[must_use]
    pub fn new(archs: Vec<Arch>, choices: &'a [Choice]) -> Self {
        let mut sorted = archs.clone();
        sorted.sort_unstable();
        Self { choices, archs, sorted }
    }

    /// The networks, in their order.
    #[must_use]
    pub fn archs(&self) -> &[Arch] {
        &self.archs
    }
}

/// A pool as a search sees it.
impl Networks for &Pool<'_> {
    fn choices(&self) -> &[Choice] {
        self.choices
    }

    fn draw(&mut self, rng: &mut ChaCha8Rng) -> Result<Option<Arch>, Fault> {
        let count = self.archs.len();
        Ok((count > 0).then(|| self.archs[rng.random_range(0..count)].clone()))
    }

    fn admits(&mut self, arch: &Arch) -> Result<bool, Fault> {
        Ok(self.sorted.binary_search(arch).is_ok())
    }
}

/// One search on a table.
///
/// # Errors
/// Those of [`search`].
pub fn on_table(
    table: &AccuracyTable,
    pool: &Pool<'_>,
    method: &Method,
    cost: f64,
    seed: u64,
) -> Result<Found, MethodError> {
    let mut networks = pool;
    search(method, &mut networks, &mut TableTrainings(table), cost, seed)
}

/// A method at one cost, over all seeds. Accuracies are shares, not percent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The method.
    pub method: &'static str,
    /// Budget of a search, in full trainings.
    pub cost: f64,
    /// Mean actual cost, in full trainings.
    pub spent: f64,
    /// Number of different winners. With few of them, the other figures depend on these networks.
    pub winners: usize,
    /// Test accuracy of the winner, which validation images select.
    pub test_accuracy: Mean,
    /// The best test accuracy within the budget, minus that of the winner.
    pub regret: Mean,
    /// Test accuracy minus that of random search at the same cost, which picks its winner by the same rule.
    pub gain: Mean,
    /// The mean gain, in standard deviations of the test accuracies within the budget; `None` if these are all equal.
    pub gain_in_deviations: Option<f64>,
    /// Test accuracy minus the mean within the budget, in standard deviations of the test accuracies within the budget; `None`
    /// if these are all equal.
    pub above_the_mean_in_deviations: Option<f64>,
    /// Share of the seeds in which the method is better than random search, ties counted half.
    pub better_than_random: Mean,
}

/// A comparison of methods. Its intervals cover the seeds, not the choice of the table's networks: on another table of such
/// networks, a method with few different winners can be better or worse by far more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Networks of the table within the budget.
    pub networks: usize,
    /// Failed trainings of the table, which no method sees.
    pub failed_trainings: usize,
    /// Mean of their test accuracies.
    pub mean_test_accuracy: f64,
    /// Standard deviation of their test accuracies.
    pub deviation: f64,
    /// The best test accuracy.
    pub best_test_accuracy: f64,
    /// Searches of each method at each cost.
    pub seeds: u32,
    /// The first seed; the others follow it.
    pub first_seed: u64,
    /// All methods at all costs, in the requested order.
    pub lines: Vec<Line>,
}

/// Runs each method at each cost with many seeds, in parallel. The random search that the gains refer to has its own seeds,
/// so it is independent of the compared methods.
///
/// # Errors
/// Those of [`search`]; a budget that no network of the table meets.
pub fn compare(
    table: &AccuracyTable,
    pool: &Pool<'_>,
    methods: &[Method],
    costs: &[f64],
    seeds: u32,
    first_seed: u64,
) -> Result<Comparison, MethodError> {
    let tests: Vec<f64> = pool.archs().iter().filter_map(|arch| table.find(arch)).map(|entry| entry.test).collect();
    if tests.is_empty() {
        return Err(MethodError::NoNetwork);
    }
    let mean_test = tests.iter().sum::<f64>() / tests.len() as f64;
    let square: f64 = tests.iter().map(|test| (test - mean_test).powi(2)).sum();
    let best = tests.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // The mean of equal values may differ from them in the last digit.
    let are_equal = tests.iter().all(|test| *test == best);
    let deviation = if are_equal { 0.0 } else { (square / (tests.len() as f64 - 1.0)).sqrt() };
    let in_deviations = |difference: f64| (!are_equal).then(|| difference / deviation);
    let run = |method: &Method, cost: f64, offset: u64| {
        (0..u64::from(seeds))
            .into_par_iter()
            .map(|seed| {
                let found = on_table(table, pool, method, cost, first_seed.wrapping_add(seed).wrapping_add(offset))?;
                let test = table.find(&found.best).map_or(f64::NAN, |entry| entry.test);
                Ok((test, found.epochs as f64 / f64::from(table.epochs()), found.best))
            })
            .collect::<Result<Vec<(f64, f64, Arch)>, MethodError>>()
    };
    let mut lines = Vec::new();
    for &cost in costs {
        let mut beside = HashMap::new();
        for method in methods {
            let choose = method.final_choice();
            let beside = match beside.entry(choose) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(run(&Method::Random { choose }, cost, u64::from(seeds) << 32)?),
            };
            let runs = run(method, cost, 0)?;
            let tests: Vec<f64> = runs.iter().map(|(test, ..)| *test).collect();
            let gains: Vec<f64> = runs.iter().zip(&*beside).map(|(run, random)| run.0 - random.0).collect();
            let better = gains.iter().map(|&gain| if gain == 0.0 { 0.5 } else { f64::from(u8::from(gain > 0.0)) });
            let (test_accuracy, gain) = (Mean::of(&tests), Mean::of(&gains));
            lines.push(Line {
                method: method.name(),
                cost,
                spent: runs.iter().map(|(_, spent, _)| spent).sum::<f64>() / runs.len().max(1) as f64,
                winners: runs.iter().map(|(.., best)| best).collect::<HashSet<_>>().len(),
                regret: Mean::of(&tests.iter().map(|test| best - test).collect::<Vec<_>>()),
                gain_in_deviations: in_deviations(gain.mean),
                above_the_mean_in_deviations: in_deviations(test_accuracy.mean - mean_test),
                better_than_random: Mean::share(&better.collect::<Vec<_>>()),
                test_accuracy,
                gain,
            });
        }
    }
    let (networks, failed_trainings) = (pool.archs().len(), table.failed());
    let (mean_test_accuracy, best_test_accuracy) = (mean_test, best);
    Ok(Comparison {
        networks,
        failed_trainings,
        mean_test_accuracy,
        deviation,
        best_test_accuracy,
        seeds,
        first_seed,
        lines,
    })
}
