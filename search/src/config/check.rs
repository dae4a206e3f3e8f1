//! Checks of an experiment that need only its text.

use nasprof_base::suggest;

use super::{ConfigError, Experiment, LASTING_EPOCHS, Optimizer, Paths, RegularizerKind, Searcher};

/// Most architectures scored by counts and LUTs: seconds each 100,000 where costs are tabulated, minutes elsewhere, and about a
/// kilobyte of memory each.
const MOST_BY_COST: u32 = 1_000_000;
/// Most architectures judged on all validation images, which takes seconds each.
const MOST_ON_IMAGES: u32 = 100_000;

/// Refuses invalid settings; the error names the key.
pub(super) fn check(experiment: &Experiment) -> Result<(), ConfigError> {
    let trains = match (&experiment.searcher, &experiment.trainer) {
        (Some(searcher), None) => {
            check_searcher(searcher)?;
            check_table(experiment, searcher)?;
            check_paths(experiment, searcher)?;
            experiment.trains()
        }
        (None, Some(_)) => true,
        (None, None) => return Err(ConfigError::key("searcher", "is missing: give `[searcher]` or `[trainer]`")),
        (Some(_), Some(_)) => {
            return Err(ConfigError::key("trainer", "give `[searcher]` or `[trainer]`, not both"));
        }
    };
    if experiment.trainer.is_some() && experiment.accuracy_table.is_some() {
        return Err(ConfigError::key("accuracy_table", "applies only to searches"));
    }
    let missing = |key: &str| Err(ConfigError::key(key, "is missing"));
    match (&experiment.data, &experiment.training) {
        (None, _) if trains => missing("data"),
        (_, None) if trains => missing("training"),
        (Some(_), _) if !trains => Err(ConfigError::key("data", "this search uses no images")),
        (_, Some(_)) if !trains => Err(ConfigError::key("training", "this search trains nothing")),
        _ => Ok(()),
    }?;
    check_optimizers(experiment, trains)?;
    if experiment.trainer.is_some() && experiment.device.is_some() {
        return Err(ConfigError::key("device", "applies only to searches: `nasprof search` measures the winner"));
    }
    if experiment.trainer.is_some() && !experiment.regularizers.is_empty() {
        return Err(ConfigError::key("regularizers", "applies only to searches"));
    }
    for (i, regularizer) in experiment.regularizers.iter().enumerate() {
        let at = |key: &str| format!("regularizers.{i}.{key}");
        if let Some((key, problem)) = regularizer.problem() {
            return Err(ConfigError::key(at(key), problem));
        }
        if let Some(problem) = experiment.searcher.as_ref().and_then(|s| misplaced(s, regularizer.kind)) {
            return Err(ConfigError::key(at("kind"), problem));
        }
    }
    match &experiment.training {
        Some(training) => check_training(experiment, training),
        None => Ok(()),
    }
}

/// The problem with a kind of regulariser that the searcher does not support; `None` if it does.
fn misplaced(searcher: &Searcher, kind: RegularizerKind) -> Option<&'static str> {
    match (searcher, kind) {
        (Searcher::Darts { .. }, RegularizerKind::Reward) => {
            Some("`darts` has no reward; use `penalty` or `constraint`")
        }
        (Searcher::Evolution { .. } | Searcher::Random { .. }, kind) if kind != RegularizerKind::Reject => {
            Some("this search supports hard limits only; use `reject`")
        }
        (searcher, kind) if searcher.trainings().is_some() && kind != RegularizerKind::Reject => {
            Some("this search supports hard limits only; use `reject`")
        }
        _ => None,
    }
}

/// Maximum number of processes that train at the same time.
const MOST_PROCESSES: u32 = 64;

/// Maximum cost of a search, in trainings.
const MOST_TRAININGS: f64 = 1e6;

/// Only searches that train single networks can use an accuracy table; it replaces the trainings.
fn check_table(experiment: &Experiment, searcher: &Searcher) -> Result<(), ConfigError> {
    match (&experiment.accuracy_table, searcher.trainings()) {
        (Some(_), None) => {
            let kinds = "`staged`, `trained-random`, `regularized-evolution` and `local-search`";
            Err(ConfigError::key("accuracy_table", format!("applies only to the searchers {kinds}")))
        }
        (_, Some(trainings)) if !(1.0..=MOST_TRAININGS).contains(&trainings) => {
            Err(ConfigError::key("searcher.trainings", format!("{trainings} is not in 1 to {MOST_TRAININGS}")))
        }
        _ => Ok(()),
    }
}

fn check_scores(scores: &[String]) -> Result<(), ConfigError> {
    for (i, score) in scores.iter().enumerate() {
        let key = format!("searcher.scores.{i}");
        if !SCORES.contains(&score.as_str()) {
            let nearest = suggest::did_you_mean(suggest::nearest(score, SCORES).as_deref());
            return Err(ConfigError::key(key, format!("no score `{score}`{nearest}; known: {}", SCORES.join(", "))));
        }
        if scores[..i].contains(score) {
            return Err(ConfigError::key(key, format!("`{score}` is listed twice")));
        }
    }
    Ok(())
}

/// Scores of networks that need no training.
const SCORES: [&str; 7] =
    ["az_expressivity", "az_progressivity", "jacobian_covariance", "macs", "naswot", "params", "synflow"];

fn check_searcher(searcher: &Searcher) -> Result<(), ConfigError> {
    let within = |key: &str, value: u32, least: u32, most: u32| {
        let fine = (least..=most).contains(&value);
        if fine {
            Ok(())
        } else {
            Err(ConfigError::key(format!("searcher.{key}"), format!("{value} is not in {least} to {most}")))
        }
    };
    within("recalibrate_batches", searcher.recalibrate_batches(), 0, 10_000)?;
    let evolution = match searcher {
        Searcher::Darts { stop_at_skips, operation_dropout, .. } => {
            within("stop_at_skips", stop_at_skips.unwrap_or(1), 1, 1000)?;
            if !(0.0..1.0).contains(operation_dropout) {
                return Err(ConfigError::key(
                    "searcher.operation_dropout",
                    format!("{operation_dropout} is not in [0, 1)"),
                ));
            }
            None
        }
        Searcher::Proxylessnas { samples, baseline_rate, .. } => {
            within("samples", *samples, 1, 10_000)?;
            if !(*baseline_rate > 0.0 && *baseline_rate <= 1.0) {
                return Err(ConfigError::key("searcher.baseline_rate", format!("{baseline_rate} is not in (0, 1]")));
            }
            None
        }
        Searcher::Fairnas { networks_per_step, samples, evolution, sandwich, split_after, .. } => {
            within("split_after", split_after.unwrap_or(1), 1, 1_000_000)?;
            within("networks_per_step", networks_per_step.unwrap_or(2), 1 + u32::from(*sandwich), 10_000)?;
            within("samples", *samples, u32::from(evolution.is_none()), MOST_ON_IMAGES)?;
            evolution.as_ref().map(|evolution| (evolution, MOST_ON_IMAGES))
        }
        Searcher::Evolution { evolution, .. } => Some((evolution, MOST_BY_COST)),
        Searcher::Staged { trainings, draws, scores, rungs, reduction, finalists, .. } => {
            within("draws", *draws, 1, MOST_ON_IMAGES)?;
            if *trainings > f64::from(*draws) {
                let problem = format!("{draws} networks are too few for {trainings} trainings; draw at least as many");
                return Err(ConfigError::key("searcher.draws", problem));
            }
            within("reduction", *reduction, 2, 1000)?;
            within("finalists", *finalists, 1, 1000)?;
            check_scores(scores)?;
            if rungs.as_ref().is_some_and(|rungs| !rungs.is_sorted_by(|a, b| a < b) || rungs.first() == Some(&0)) {
                return Err(ConfigError::key("searcher.rungs", "the epochs must be at least 1 and increase"));
            }
            None
        }
        Searcher::RegularizedEvolution { population, tournament, .. } => {
            within("population", *population, 2, 100_000)?;
            within("tournament", *tournament, 1, *population)?;
            None
        }
        Searcher::TrainedRandom { .. } | Searcher::LocalSearch { .. } => None,
        Searcher::Random { samples, .. } => {
            within("samples", *samples, 1, MOST_BY_COST)?;
            None
        }
    };
    match evolution.and_then(|(evolution, most)| evolution.problem(most)) {
        Some((key, problem)) => Err(ConfigError::key(format!("searcher.evolution.{key}"), problem)),
        None => Ok(()),
    }
}

/// Paths within a budget need a budget, and what happens after some epochs happens before the end of the run.
fn check_paths(experiment: &Experiment, searcher: &Searcher) -> Result<(), ConfigError> {
    if let (Searcher::Fairnas { split_after: Some(after), .. }, Some(training)) = (searcher, &experiment.training)
        && *after >= training.all_epochs()
    {
        let problem = format!("{after} is not below the {} epochs of the run", training.all_epochs());
        return Err(ConfigError::key("searcher.split_after", problem));
    }
    if let (Searcher::Darts { stop_at_skips: Some(_), .. }, Some(training)) = (searcher, &experiment.training)
        && training.epochs <= LASTING_EPOCHS
    {
        let problem = format!(
            "never stops {} epochs: skip connections have to last {LASTING_EPOCHS}, and then some epochs must be left",
            training.epochs
        );
        return Err(ConfigError::key("searcher.stop_at_skips", problem));
    }
    if let (Searcher::Staged { rungs: Some(rungs), .. }, Some(training)) = (searcher, &experiment.training)
        && let Some(rung) = rungs.iter().find(|&&rung| rung >= training.epochs)
    {
        let problem = format!("{rung} is not below the {} epochs of a full training", training.epochs);
        return Err(ConfigError::key("searcher.rungs", problem));
    }
    let limits = |kind| matches!(kind, RegularizerKind::Reject | RegularizerKind::Constraint);
    match searcher {
        Searcher::Fairnas { paths: Paths::WithinBudget, .. }
            if !experiment.regularizers.iter().any(|r| limits(r.kind)) =>
        {
            Err(ConfigError::key(
                "searcher.paths",
                "`within-budget` needs a regularizer of kind `constraint` or `reject`",
            ))
        }
        _ => Ok(()),
    }
}

fn check_optimizers(experiment: &Experiment, trains: bool) -> Result<(), ConfigError> {
    let optimizers = &experiment.optimizers;
    let learns = matches!(experiment.searcher, Some(Searcher::Darts { .. } | Searcher::Proxylessnas { .. }));
    let warms_up = experiment.searcher.is_some() && experiment.training.as_ref().is_some_and(|t| t.warm_up_epochs > 0);
    let wanted: [(&str, &Option<Optimizer>, bool, bool); 3] = [
        ("weights", &optimizers.weights, trains, trains),
        ("architecture", &optimizers.architecture, learns, learns),
        ("warm_up", &optimizers.warm_up, false, warms_up),
    ];
    for (name, optimizer, needed, allowed) in wanted {
        let key = format!("optimizers.{name}");
        let epochs =
            experiment.training.as_ref().map_or(1, |t| if name == "warm_up" { t.warm_up_epochs } else { t.epochs });
        match optimizer {
            None if needed => return Err(ConfigError::key(key, "is missing")),
            Some(_) if !allowed => return Err(ConfigError::key(key, "does not apply to this experiment")),
            Some(optimizer) => {
                if let Some((inner, problem)) = optimizer.problem(epochs) {
                    return Err(ConfigError::key(format!("{key}.{inner}"), problem));
                }
            }
            None => {}
        }
    }
    Ok(())
}

fn check_training(experiment: &Experiment, training: &super::Training) -> Result<(), ConfigError> {
    let at = |(key, problem): (&str, String)| Err(ConfigError::key(format!("training.{key}"), problem));
    if let Some(problem) = training.problem() {
        return at(problem);
    }
    if !(1..=MOST_PROCESSES).contains(&training.processes) {
        return at(("processes", format!("{} is not in 1 to {MOST_PROCESSES}", training.processes)));
    }
    if training.processes > 1 && experiment.searcher.as_ref().is_none_or(|s| s.trainings().is_none()) {
        return at(("processes", "applies only to searches that train single networks".to_owned()));
    }
    if experiment.trainer.is_some() && training.warm_up_epochs > 0 {
        return at(("warm_up_epochs", "for a training, use the schedule `cosine-warm-up`".to_owned()));
    }
    if experiment.searcher.as_ref().is_some_and(|s| s.trainings().is_some()) && training.warm_up_epochs > 0 {
        return at((
            "warm_up_epochs",
            "this search trains single networks; use the schedule `cosine-warm-up`".to_owned(),
        ));
    }
    if experiment.searcher.is_some() {
        for (key, value) in [("auxiliary_weight", training.auxiliary_weight), ("drop_path", training.drop_path)] {
            if value > 0.0 {
                return at((key, "applies only to trainings of one network".to_owned()));
            }
        }
    }
    Ok(())
}

/// Refuses more samples than the space has architectures.
pub(super) fn check_samples(experiment: &Experiment, space: &nasprof_spaces::Space) -> Result<(), ConfigError> {
    let all = space.architectures();
    match experiment.searcher.as_ref().and_then(Searcher::samples) {
        Some(samples) if all < samples.into() => {
            let problem = format!("{samples} is more than the {all} architectures of `{}`", space.name);
            Err(ConfigError::key("searcher.samples", problem))
        }
        _ => Ok(()),
    }
}
