//! Compares search methods on the table of an experiment.

use super::trained::{TrainedError, method, pool, read};
use super::{Budget, EvolutionError, RunError};
use crate::config::{Experiment, FinalChoice, LoadedRegularizer, Plan};
use crate::methods::Method;
use crate::methods::simulate::{Comparison, compare};

/// Compares random search, regularised evolution, local search and the experiment's own search on its table, at each cost
/// and with many seeds. All pick their winners as the experiment's search does (`searcher.choose`).
///
/// # Errors
/// An invalid experiment, an unusable table, or a budget that none of its networks meets.
pub fn simulate(experiment: Experiment, costs: &[f64], seeds: u32) -> Result<Comparison, RunError> {
    let plan = Plan::new(experiment)?;
    let budget =
        Budget::new(&plan.space, &plan.regularizers, |_: &LoadedRegularizer| 1.0).map_err(EvolutionError::from)?;
    let table = read(&plan)?;
    let pool = pool(&plan, &table, &budget)?;
    let own = plan.experiment.searcher.as_ref().map(|searcher| method(searcher, &table)).transpose()?;
    // All methods pick their winners by the same rule.
    let choose = own.as_ref().map_or_else(FinalChoice::default, Method::final_choice);
    let mut methods = vec![
        Method::Random { choose },
        Method::RegularizedEvolution { population: 10, tournament: 3, choose },
        Method::LocalSearch { choose },
    ];
    if let Some(own) = own {
        methods.retain(|other| other.name() != own.name());
        methods.push(own);
    }
    let compared = compare(&table, &pool, &methods, costs, seeds, plan.experiment.seed);
    Ok(compared.map_err(TrainedError::from)?)
}
