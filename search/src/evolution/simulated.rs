//! Compares search methods on the table of an experiment.

use super::trained::{TrainedError, method, pool, read};
use super::{Budget, EvolutionError, RunError};
use crate::config::{Experiment, LoadedRegularizer, Plan};
use crate::methods::Method;
use crate::methods::simulate::{Comparison, compare};

/// Compares random search, regularised evolution, local search and the experiment's own search on its table, at each cost
/// and with many seeds.
///
/// # Errors
/// An invalid experiment, an unusable table, or a budget that none of its networks meets.
pub fn simulate(experiment: Experiment, costs: &[f64], seeds: u32) -> Result<Comparison, RunError> {
    let plan = Plan::new(experiment)?;
    let budget =
        Budget::new(&plan.space, &plan.regularizers, |_: &LoadedRegularizer| 1.0).map_err(EvolutionError::from)?;
    let table = read(&plan)?;
    let pool = pool(&plan, &table, &budget)?;
    let mut methods =
        vec![Method::Random, Method::RegularizedEvolution { population: 10, tournament: 3 }, Method::LocalSearch];
    if let Some(searcher) = &plan.experiment.searcher {
        let own = method(searcher, &table)?;
        methods.retain(|other| other.name() != own.name());
        methods.push(own);
    }
    let compared = compare(&table, &pool, &methods, costs, seeds, plan.experiment.seed);
    Ok(compared.map_err(TrainedError::from)?)
}
