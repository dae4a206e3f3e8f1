//! A search without training, from its plan to its run folder.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use nasprof_base::text::count;
use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_lut::replace_file;
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

use super::picture::picture;
use super::trained::{self, OnTable, Searched, TrainedError};
use super::{Budget, EvolutionError, Outcome, Sampling, Scorer, evolve, sample, table};
use crate::config::{ConfigError, Experiment, LoadedRegularizer, Plan, Quantity, Score, Searcher};
use crate::folder::{FolderError, LOG, append_line, claim_sampled, lock, reopen, write_result};
use crate::job::{Existing, clear};
use crate::winner::{Found, Latency};
use crate::{Costs, inputs};

/// `result.json` of such a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampledResult {
    /// Always 1.
    pub format_version: u32,
    /// The winner.
    pub arch: ArchFile,
    /// Its target, limit, estimated and measured latency.
    #[serde(flatten)]
    pub latency: Latency,
    /// The score of the experiment, which substitutes for accuracy.
    pub score: String,
    /// The score of the winner.
    pub value: f64,
    /// The winner's quantities, in the order of the experiment's regularizers.
    pub quantities: Vec<Bounded>,
    /// Trainable parameters of the winner.
    pub params: u64,
    /// Multiply-accumulates of the winner for one image.
    pub macs: u64,
    /// Number of distinct scored architectures.
    #[serde(alias = "judged")]
    pub evaluated: usize,
    /// Number of sampled architectures.
    #[serde(alias = "drawn")]
    pub sampled: u64,
    /// Number of architectures in `pareto.csv`.
    pub front: usize,
    /// Additional results of a search on a table of trained networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_table: Option<OnTable>,
    /// Duration of the search in seconds.
    pub seconds: f64,
    /// The experiment's seed.
    pub seed: u64,
}

impl Found for SampledResult {
    fn arch(&self) -> Option<&ArchFile> {
        Some(&self.arch)
    }

    fn latency(&mut self) -> &mut Latency {
        &mut self.latency
    }
}

/// A quantity of the winner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounded {
    /// `latency`, `memory`, `params` or `macs`.
    pub quantity: String,
    /// The upper bound or target.
    pub upper: Option<f64>,
    /// The winner's value, estimated by LUT and graph.
    pub estimated: f64,
}

/// A search that cannot be run.
#[derive(Debug, ThisError)]
pub enum RunError {
    /// The experiment cannot be run.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The search found nothing or cannot score.
    #[error(transparent)]
    Evolution(#[from] EvolutionError),
    /// The table of trained networks cannot be used, or a search on it found nothing.
    #[error(transparent)]
    Trained(#[from] TrainedError),
    /// The run folder cannot be used, or one of its files cannot be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// A scorer by parameters or MACs that reports its progress.
struct Watched<'a> {
    costs: Costs<'static>,
    watch: &'a mut dyn FnMut(&Sampling) -> bool,
}

impl Scorer for Watched<'_> {
    fn score(&mut self, arch: &Arch) -> Result<f64, Box<dyn Error + Send + Sync>> {
        Ok(self.costs.of(arch)?)
    }

    fn goes_on(&mut self, sampling: &Sampling) -> bool {
        (self.watch)(sampling)
    }
}

/// Runs a search without training, and writes `config.toml`, `arch.json`, `pareto.csv` with its picture and `result.json` into its
/// folder. A
/// resumed search runs again from the start: it takes seconds and gives the same result. `factor` multiplies the LUT's
/// latencies, for a device that is slower or faster than its LUT by this factor. `watch` receives the progress after every
/// sample. If it returns `false`, the search ends and writes nothing.
///
/// # Errors
/// If the experiment is invalid or another kind of search, the folder holds another run, or the search finds nothing.
pub fn run(
    experiment: Experiment,
    folder: &Path,
    existing: Existing,
    factor: f64,
    watch: &mut dyn FnMut(&Sampling) -> bool,
) -> Result<SampledResult, RunError> {
    let plan = Plan::new(experiment)?;
    let (space, seed) = (&plan.space, plan.experiment.seed);
    let of = |r: &LoadedRegularizer| if plan.is_of_device(r) { factor } else { 1.0 };
    let budget = Budget::new(space, &plan.regularizers, of).map_err(EvolutionError::from)?;
    claim_sampled(folder, &plan.experiment, existing)?;
    let started = Instant::now();
    let mut searched = None;
    let (score, outcome) = match &plan.experiment.searcher {
        Some(Searcher::Evolution { score, evolution }) => {
            let mut scorer = Watched { costs: costs(&plan, *score)?, watch };
            (score.name(), evolve(space, &budget, evolution, seed, &mut scorer)?)
        }
        Some(Searcher::Random { score, samples }) => {
            let mut scorer = Watched { costs: costs(&plan, *score)?, watch };
            (score.name(), sample(space, &budget, *samples, seed, &mut scorer)?)
        }
        Some(searcher) if plan.experiment.accuracy_table.is_some() => {
            let Searched { outcome, .. } = searched.insert(trained::on_table(&plan, &budget, searcher)?);
            ("valid_accuracy", outcome.clone())
        }
        _ => {
            let problem = "this search trains networks; `nasprof-search` runs it".to_owned();
            return Err(ConfigError::Key { key: "searcher.kind".to_owned(), problem }.into());
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let latency = Latency::new(&plan, &outcome.best.values, factor);
    let mut found = sampled_result(&plan, &budget, score, &outcome, latency, seconds)?;
    found.on_table = searched.as_ref().map(|searched| searched.on_table.clone());
    // Only now, so that a search that finds nothing leaves no folder that refuses the next run.
    let fail = |source| FolderError::file(folder, source);
    let mut log = lock(folder)?;
    // Again, with the lock: another run may have used the folder until now.
    claim_sampled(folder, &plan.experiment, existing)?;
    if existing == Existing::Overwrite {
        log.set_len(0).and_then(|()| clear(folder, &[LOG])).map_err(fail)?;
    }
    reopen(folder)?;
    inputs::keep(folder, &plan.experiment).map_err(fail)?;
    write(folder, "config.toml", plan.experiment.resolved_toml().as_bytes())?;
    write(folder, "pareto.csv", &table(&outcome.front, space, &budget.names(), score))?;
    if let Some(svg) = picture(&outcome.front, &outcome.best, &budget.names(), score) {
        write(folder, "pareto.svg", svg.as_bytes())?;
    }
    if let Some(searched) = &searched {
        searched.write(&plan, folder)?;
    }
    found.write(folder)?;
    let networks = count(found.evaluated, "network");
    append_line(&mut log, &format!("searched: {networks} evaluated, seed {seed}")).map_err(fail)?;
    Ok(found)
}

fn costs(plan: &Plan, score: Score) -> Result<Costs<'static>, RunError> {
    let quantity = match score {
        Score::Params => Quantity::Params,
        Score::Macs => Quantity::Macs,
    };
    Ok(Costs::new(&plan.space, quantity, None).map_err(EvolutionError::from)?)
}

fn sampled_result(
    plan: &Plan,
    budget: &Budget<'_>,
    score: &str,
    outcome: &Outcome,
    latency: Latency,
    seconds: f64,
) -> Result<SampledResult, RunError> {
    let best = &outcome.best;
    let bounded = budget.names().into_iter().zip(&plan.regularizers).zip(&best.values);
    let quantities = bounded.map(|((name, regularizer), &estimated)| Bounded {
        quantity: name.to_owned(),
        upper: regularizer.settings.limit(),
        estimated,
    });
    // The conversion is exact: the counts of a network are whole numbers.
    let count = |score| Ok::<u64, RunError>(costs(plan, score)?.of(&best.arch).map_err(EvolutionError::from)? as u64);
    Ok(SampledResult {
        format_version: 1,
        arch: ArchFile::new(&plan.space.name, &plan.space.choices, &best.arch),
        latency,
        score: score.to_owned(),
        value: best.score,
        quantities: quantities.collect(),
        params: count(Score::Params)?,
        macs: count(Score::Macs)?,
        evaluated: outcome.evaluated,
        sampled: outcome.sampled,
        front: outcome.front.len(),
        on_table: None,
        seconds,
        seed: plan.experiment.seed,
    })
}

impl SampledResult {
    /// Writes the result into a run folder, with the list of the run's files.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), RunError> {
        Ok(write_result(folder, Some(&self.arch), self)?)
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
    let path = folder.join(name);
    replace_file(&path, bytes).map_err(|source| FolderError::file(&path, source))
}
