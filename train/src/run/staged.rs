//! Searches that train networks one by one, from the start, or from a journal, to the result.

use std::collections::HashMap;

use nasprof_graph::Arch;
use nasprof_graph::arch::ArchFile;
use nasprof_search::config::{ConfigError, FinalChoice, LoadedRegularizer, Plan, Searcher};
use nasprof_search::events::RunEvent;
use nasprof_search::evolution::Budget;
use nasprof_search::folder::{Claim, finished};
use nasprof_search::job::{Epochs, Job, QuantityResult, RunResult, Spent};
use nasprof_search::methods::{self, Candidate, Fate, Fault, Method, MethodError, Networks, write_candidates};
use nasprof_search::winner::Latency;
use rand_chacha::ChaCha8Rng;

use super::compute::{check_replay, computed_on, place};
use super::folder::Folder;
use super::single::Settings;
use super::trial::cost_of;
use super::trials::Trials;
use crate::error::SearchError;

/// Maximum number of draws for a network within the budget.
const PATIENCE: u32 = 20_000;

/// The networks of a space that are within a budget.
struct Within<'a> {
    plan: &'a Plan,
    budget: &'a Budget<'a>,
    known: HashMap<Arch, bool>,
}

impl Networks for Within<'_> {
    fn choices(&self) -> &[nasprof_graph::Choice] {
        &self.plan.space.choices
    }

    fn draw(&mut self, rng: &mut ChaCha8Rng) -> Result<Option<Arch>, Fault> {
        for _ in 0..PATIENCE {
            let arch = self.plan.space.sample(rng);
            if self.admits(&arch)? {
                return Ok(Some(arch));
            }
        }
        Ok(None)
    }

    fn admits(&mut self, arch: &Arch) -> Result<bool, Fault> {
        if let Some(&known) = self.known.get(arch) {
            return Ok(known);
        }
        let within = self.budget.values(arch)?.is_some();
        self.known.insert(arch.clone(), within);
        Ok(within)
    }
}

/// Runs the search. A `factor` multiplies the LUT's latencies and selects another winner among the trained networks.
pub(super) fn search(
    plan: &Plan,
    job: &Job,
    searcher: &Searcher,
    factor: Option<f64>,
    emit: &mut dyn FnMut(RunEvent),
) -> Result<RunResult, SearchError> {
    let experiment = &plan.experiment;
    let settings = Settings::of(plan)?;
    let all = settings.training.epochs;
    let missing =
        || ConfigError::Key { key: "searcher.kind".to_owned(), problem: "trains no single networks".to_owned() };
    let method = Method::of(searcher, all, true).ok_or_else(missing)?;
    let cost = searcher.trainings().ok_or_else(missing)?;
    check_replay(experiment)?;
    let place = place(settings.training)?;
    let (mut folder, claim) = Folder::open(&job.folder, experiment, job.existing)?;
    if let (Claim::Resumed { finished: true, .. }, None) = (claim, factor)
        && let Some(result) = finished::<RunResult>(folder.path())?
    {
        return Ok(result);
    }
    let epochs = Epochs { all, warm_up: 0, after_warm_up: all, extended_from: Vec::new() };
    let path = folder.path().to_owned();
    let budget = Budget::new(&plan.space, &plan.regularizers, |_: &LoadedRegularizer| 1.0)?;
    let limit = (cost * f64::from(all)) as u64;
    folder.begin(claim, experiment, &epochs, emit)?;
    folder.computes(&place, &mut Vec::new(), emit)?;
    let mut trials = Trials::open(plan, &path, &place, limit, emit)?;
    let mut within = Within { plan, budget: &budget, known: HashMap::new() };
    let found = methods::search(&method, &mut within, &mut trials, cost, experiment.seed);
    let mut found = found.map_err(of_method)?;
    let again = |r: &LoadedRegularizer| if plan.is_of_device(r) { factor.unwrap_or(1.0) } else { 1.0 };
    let budget = Budget::new(&plan.space, &plan.regularizers, again)?;
    let feasible = choose(&mut found.candidates, method.final_choice(), &budget)?;
    let chosen = found.candidates.iter().find(|candidate| candidate.fate == Fate::Chosen);
    let (best, valid) = chosen.map_or((found.best.clone(), found.valid), |candidate| {
        (candidate.arch.clone(), candidate.progress.map_or(0.0, |progress| progress.valid))
    });
    if let Some(weights) = trials.weights(&best) {
        weights.check(&path)?;
        folder.publish(&weights.file)?;
    }
    write_candidates(&path.join("candidates.parquet"), &plan.space.name, &plan.space.choices, &found.candidates)?;
    let unlimited = Budget::new(&plan.space, &plan.regularizers, |_: &LoadedRegularizer| 1.0)?;
    let values = unlimited.quantities(&best)?;
    let cost = cost_of(plan, &best)?;
    let valid_images = settings.loaders.valid.as_ref().map_or(0, nasprof_search::data::Loader::images);
    let quantities = unlimited.names().into_iter().zip(&plan.regularizers).zip(&values);
    let result = RunResult {
        format_version: 1,
        arch: Some(ArchFile::new(&plan.space.name, &plan.space.choices, &best)),
        latency: Latency::new(plan, &values, factor.unwrap_or(1.0)),
        feasible,
        repaired: false,
        accuracy: valid,
        accuracy_of: format!(
            "{valid_images} validation images, trained by itself for {}{}",
            epochs.in_words(),
            selection(&found.candidates, method.final_choice(), feasible)
        ),
        accuracy_images: Some(valid_images),
        computed_on: computed_on(&trials.places),
        epochs: Some(epochs),
        training: None,
        spent: Some(Spent {
            epochs: trials.epochs_trained(),
            trainings: trials.epochs_trained() as f64 / f64::from(all),
        }),
        quantities: quantities
            .map(|((name, regularizer), &estimated)| QuantityResult {
                quantity: name.to_owned(),
                kind: regularizer.settings.kind.name().to_owned(),
                limit: regularizer.settings.limit(),
                estimated,
            })
            .collect(),
        params: cost.params,
        macs: cost.macs,
        seconds: trials.seconds(),
        seed: experiment.seed,
    };
    folder.result(&result)?;
    Ok(result)
}

/// The error of a method: a failed training keeps its own.
fn of_method(error: MethodError) -> SearchError {
    match error {
        MethodError::Fault(fault) => match fault.downcast::<SearchError>() {
            Ok(error) => *error,
            Err(fault) => SearchError::Searcher(fault.to_string()),
        },
        other => SearchError::Method(other),
    }
}

/// How the winner was chosen, for its accuracy: the best of several is better on the images that chose it than on others.
fn selection(candidates: &[Candidate], by: FinalChoice, feasible: bool) -> String {
    let among = candidates.iter().filter(|c| matches!(c.fate, Fate::Trained | Fate::Chosen)).count();
    let by = match by {
        _ if among < 2 || !feasible => return String::new(),
        FinalChoice::Accuracy => "accuracy on these images, so this is optimistic",
        FinalChoice::Losses => "the loss on these and on the training images, half each, so this is optimistic",
    };
    format!(", chosen among {among} by {by}")
}

/// Marks the best fully trained network within the budget as the winner. If there is none, marks the one with the smallest
/// first quantity and returns `false`.
fn choose(candidates: &mut [Candidate], by: FinalChoice, budget: &Budget<'_>) -> Result<bool, SearchError> {
    let (mut within, mut least) = (Vec::new(), None::<(usize, f64)>);
    for (at, candidate) in candidates.iter().enumerate() {
        let Some(progress) = candidate.progress else { continue };
        if !matches!(candidate.fate, Fate::Trained | Fate::Chosen) {
            continue;
        }
        if budget.values(&candidate.arch)?.is_some() {
            within.push((at, progress));
        }
        let quantity = budget.quantities(&candidate.arch)?.first().copied().unwrap_or(0.0);
        if least.is_none_or(|(_, least)| quantity < least) {
            least = Some((at, quantity));
        }
    }
    let best = methods::best(&within, by).map(|(at, _)| at);
    let Some(at) = best.or(least.map(|(at, _)| at)) else { return Ok(false) };
    for candidate in candidates.iter_mut().filter(|candidate| candidate.fate == Fate::Chosen) {
        candidate.fate = Fate::Trained;
    }
    candidates[at].fate = Fate::Chosen;
    Ok(best.is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_error_of_a_training_stays_what_it_is() {
        let lost = SearchError::GpuLost("the GPU no longer works".to_owned());
        assert!(matches!(of_method(MethodError::Fault(lost.into())), SearchError::GpuLost(_)));
        let nothing = of_method(MethodError::NoNetwork);
        assert!(nothing.hint().is_some_and(|hint| hint.contains("widen the limits")), "{nothing}");
        // The control: what is no error of a training.
        assert!(matches!(of_method(MethodError::Fault("another".into())), SearchError::Searcher(_)));
    }

    #[test]
    fn the_best_of_several_is_told_from_the_only_one() {
        let with = |fate| Candidate { arch: Arch(Vec::new()), scores: BTreeMap::new(), progress: None, fate };
        let two = [with(Fate::Chosen), with(Fate::Trained), with(Fate::Stopped)];
        assert!(selection(&two, FinalChoice::Accuracy, true).starts_with(", chosen among 2 by accuracy"));
        assert!(selection(&two, FinalChoice::Losses, true).contains("training images, half each"));
        // The controls: there was no choice, or something else decided.
        assert_eq!(selection(&two[..1], FinalChoice::Losses, true), "");
        assert_eq!(selection(&two, FinalChoice::Losses, false), "");
    }
}
