//! Searches that train networks one by one, on a table that replaces the trainings.

use std::path::Path;

use nasprof_graph::Arch;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Budget, Candidate, Outcome, front};
use crate::CostError;
use crate::config::{ConfigError, Plan, Searcher};
use crate::methods::simulate::{Pool, on_table as search_on};
use crate::methods::table::{AccuracyTable, AccuracyTableError};
use crate::methods::{self, Fate, Method, MethodError, write_candidates};
use crate::trials::TableError;

/// A search on a table that cannot be run.
#[derive(Debug, Error)]
pub enum TrainedError {
    /// The table cannot be used.
    #[error("key `accuracy_table`: {0}")]
    Table(#[from] AccuracyTableError),
    /// The search found nothing.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// No network of the table is within the budget.
    #[error("none of the {networks} networks of the table is within the budget")]
    Budget {
        /// Networks of the table.
        networks: usize,
    },
    /// A cost is unknown.
    #[error(transparent)]
    Cost(#[from] CostError),
    /// The table of candidates cannot be written.
    #[error(transparent)]
    Candidates(#[from] TableError),
    /// The experiment has no table, or asks for a score that the table does not have.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Results of a search on a table besides its winner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnTable {
    /// Epochs of a full training; absent for a table of final accuracies, which does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u32>,
    /// Failed trainings of the table, which no search sees.
    #[serde(default)]
    pub failed_trainings: usize,
    /// The cost of the search if it trained, in full trainings.
    pub trainings: f64,
    /// Share of the test images that the winner classifies correctly.
    pub test_accuracy: f64,
    /// Random search at the same cost, with the same seed and the same way to pick the winner.
    pub random: Beside,
    /// The best test accuracy of all networks in the table within the budget.
    pub best_test_accuracy: f64,
}

/// A baseline search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// Its cost if it trained, in full trainings.
    pub trainings: f64,
    /// Share of the validation images that its winner classifies correctly.
    pub valid_accuracy: f64,
    /// Share of the test images that its winner classifies correctly.
    pub test_accuracy: f64,
}

/// A search on a table.
pub(super) struct Searched {
    pub(super) outcome: Outcome,
    pub(super) on_table: OnTable,
    candidates: Vec<methods::Candidate>,
}

impl Searched {
    /// Writes the fate of each network.
    pub(super) fn write(&self, plan: &Plan, folder: &Path) -> Result<(), TrainedError> {
        let (space, path) = (&plan.space, folder.join("candidates.parquet"));
        Ok(write_candidates(&path, &space.name, &space.choices, &self.candidates)?)
    }
}

pub(super) fn read(plan: &Plan) -> Result<AccuracyTable, TrainedError> {
    match &plan.experiment.accuracy_table {
        Some(path) => Ok(AccuracyTable::read(path, &plan.space)?),
        None => Err(ConfigError::Key { key: "accuracy_table".to_owned(), problem: "is missing".to_owned() }.into()),
    }
}

/// The table's networks within the budget.
pub(super) fn pool<'a>(plan: &'a Plan, table: &AccuracyTable, budget: &Budget<'_>) -> Result<Pool<'a>, TrainedError> {
    let archs: Vec<Arch> = table.archs().cloned().collect();
    let admitted = budget.admitted(&plan.space, &archs)?;
    let within = archs.into_iter().zip(admitted).filter(|(_, admitted)| *admitted).map(|(arch, _)| arch);
    let pool = Pool::new(within.collect(), &plan.space.choices);
    if pool.archs().is_empty() {
        return Err(TrainedError::Budget { networks: table.archs().count() });
    }
    Ok(pool)
}

/// The method of a searcher. Fails if the table lacks one of its scores.
pub(super) fn method(searcher: &Searcher, table: &AccuracyTable) -> Result<Method, TrainedError> {
    let key = |key: &str, problem: String| ConfigError::Key { key: key.to_owned(), problem };
    let method = Method::of(searcher, table.epochs(), table.has_curves());
    let method = method.ok_or_else(|| key("searcher.kind", "this search trains no single networks".to_owned()))?;
    if let Method::Staged(staged) = &method {
        let known =
            |score: &&String| table.archs().any(|arch| table.find(arch).is_some_and(|e| e.scores.contains_key(*score)));
        if let Some(score) = staged.scores.iter().find(|score| !known(score)) {
            return Err(key("searcher.scores", format!("the table has no score `{score}`")).into());
        }
        if let Some(rung) = staged.rungs.iter().find(|&&rung| table.has_curves() && rung >= table.epochs()) {
            let problem = format!("{rung} is not below the {} epochs of the table's trainings", table.epochs());
            return Err(key("searcher.rungs", problem).into());
        }
    }
    Ok(method)
}

/// Runs the search of an experiment on its table.
pub(super) fn on_table(plan: &Plan, budget: &Budget<'_>, searcher: &Searcher) -> Result<Searched, TrainedError> {
    let table = read(plan)?;
    let pool = pool(plan, &table, budget)?;
    let method = method(searcher, &table)?;
    let (cost, seed) = (searcher.trainings().unwrap_or(1.0), plan.experiment.seed);
    let found = search_on(&table, &pool, &method, cost, seed)?;
    let random = search_on(&table, &pool, &Method::Random { choose: method.final_choice() }, cost, seed)?;
    let test = |arch: &Arch| table.find(arch).map_or(f64::NAN, |entry| entry.test);
    let full = f64::from(table.epochs());
    let trained = found.candidates.iter().filter(|c| matches!(c.fate, Fate::Trained | Fate::Chosen));
    let mut evaluated = Vec::new();
    for candidate in trained {
        let score = candidate.progress.map_or(f64::NAN, |progress| progress.valid);
        let values = budget.quantities(&candidate.arch)?;
        evaluated.push(Candidate { arch: candidate.arch.clone(), score, values });
    }
    let best = evaluated.iter().find(|candidate| candidate.arch == found.best).cloned();
    let best = best.ok_or(MethodError::NoNetwork)?;
    let outcome =
        Outcome { best, front: front(&evaluated), evaluated: evaluated.len(), sampled: found.candidates.len() as u64 };
    let on_table = OnTable {
        epochs: table.has_curves().then_some(table.epochs()),
        failed_trainings: table.failed(),
        trainings: found.epochs as f64 / full,
        test_accuracy: test(&found.best),
        random: Beside {
            trainings: random.epochs as f64 / full,
            valid_accuracy: random.valid,
            test_accuracy: test(&random.best),
        },
        best_test_accuracy: pool.archs().iter().map(test).fold(f64::NEG_INFINITY, f64::max),
    };
    Ok(Searched { outcome, on_table, candidates: found.candidates })
}
