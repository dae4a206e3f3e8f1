//! Sets up libtorch for the device of a run.

use nasprof_search::config::{ConfigError, Experiment, OptimizerKind, Precision, Training};
use nasprof_torch::cuda;

use crate::error::SearchError;
use crate::place::{Place, VISIBLE, choose};

/// Selects the device of a run, and sets up libtorch for it.
pub(super) fn place(training: &Training) -> Result<Place, SearchError> {
    if let Some(threads) = training.threads {
        tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    }
    let visible = std::env::var(VISIBLE).ok();
    let mut place = choose(training.compute, &cuda::ThisProcess, visible.as_deref())?;
    let name = training.precision.name();
    if place.device.is_cuda() {
        cuda::allow_tf32(training.precision == Precision::Tf32)?;
        place.words = format!("{}, {name}", place.words);
        if training.cuda_graphs {
            place.words.push_str(", CUDA graphs");
        }
        if training.deterministic {
            cuda::make_deterministic()?;
            place.words.push_str(", deterministic");
        }
    } else if training.precision == Precision::Tf32 {
        place.words = format!("{}, float32 in place of {name}", place.words);
    } else if training.precision != Precision::Float32 {
        place.words = format!("{}, {name}", place.words);
    }
    Ok(place)
}

/// Refuses optimizers whose updates cannot be recorded.
pub(super) fn check_replay(experiment: &Experiment) -> Result<(), SearchError> {
    let graphs = experiment.training.as_ref().is_some_and(|training| training.cuda_graphs);
    let adam = experiment.optimizers.weights.as_ref().is_some_and(|weights| weights.kind == OptimizerKind::Adam);
    if graphs && adam {
        let problem = "does not support adam; use sgd, momentum or nesterov for the weights".to_owned();
        return Err(ConfigError::Key { key: "training.cuda_graphs".to_owned(), problem }.into());
    }
    Ok(())
}

/// The devices of a run, in words for its result.
pub(super) fn computed_on(places: &[String]) -> Option<String> {
    Some(places.join("; then ")).filter(|words| !words.is_empty())
}
