//! The best networks of a space under limits, and fronts of two quantities, without training.
//!
//! Small spaces are enumerated. If every quantity is a sum over the choices, or an increasing function of one, the answer is
//! exact over the whole space ([`exact`]), unless several limits leave too many partial networks. Otherwise networks are sampled
//! and improved by changing one or two choices at a time ([`sampled`]). [`Explored`] tells which method found the answer.

mod bounds;
mod every;
mod exact;
mod known;
mod partial;
mod sampled;
mod table;
mod total;

use nasprof_graph::Arch;
use serde::Serialize;

pub use known::{Axis, Limits, Network, Predictors, SampleSettings};
pub use table::{ScoreTableError, ScoredNetwork, read_table};

use self::exact::{Additive, Best};

/// The part of a space that the answer covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Explored {
    /// Every architecture.
    Enumerated {
        /// Number of architectures.
        networks: u64,
    },
    /// All architectures without enumerating them: every quantity is a sum over the choices or an increasing function of one.
    Exact,
    /// Sampled networks, improved by repeated changes of one or two choices; better networks may exist.
    Sampled {
        /// Number of initial samples.
        samples: u32,
        /// Seed of the samples.
        seed: u64,
    },
}

/// The `top` networks within the limits by a quantity, the best first.
#[must_use]
pub fn rank(
    predictors: &Predictors<'_>,
    axis: Axis,
    limits: &Limits,
    top: usize,
    settings: SampleSettings,
) -> (Vec<Network>, Explored) {
    let space = predictors.space();
    if let Some(networks) = every::count(space, predictors.is_fast()) {
        let all = every::evaluate(predictors, networks).into_iter().filter(|network| limits.allow(network));
        return (known::best(all.collect(), axis, top), Explored::Enumerated { networks });
    }
    let values: Vec<f64> = limits.set().map(|(axis, limit)| predictors.as_sum(axis, limit)).collect();
    let known = match Additive::new(predictors, &limits.axes(axis)).map(|additive| additive.best(&values, top)) {
        Some(Best::Exact(archs)) => return (known::best(evaluated(predictors, archs), axis, top), Explored::Exact),
        Some(Best::Good(archs)) => archs,
        None => Vec::new(),
    };
    (sampled::rank(predictors, axis, limits, top, settings, known), explored(settings, predictors))
}

/// The Pareto front of two quantities, sorted by the first.
#[must_use]
pub fn front(predictors: &Predictors<'_>, axes: [Axis; 2], settings: SampleSettings) -> (Vec<Network>, Explored) {
    let space = predictors.space();
    if let Some(networks) = every::count(space, predictors.is_fast()) {
        return (known::front(every::evaluate(predictors, networks), axes), Explored::Enumerated { networks });
    }
    let exact = Additive::new(predictors, &axes).and_then(|additive| additive.front());
    match exact {
        // Sums that differ only in the last digit may have another order as predictions.
        Some(archs) => (known::front(evaluated(predictors, archs), axes), Explored::Exact),
        None => (sampled::front(predictors, axes, settings), explored(settings, predictors)),
    }
}

fn explored(settings: SampleSettings, predictors: &Predictors<'_>) -> Explored {
    Explored::Sampled { samples: settings.count(predictors.is_fast()), seed: settings.seed }
}

fn evaluated(predictors: &Predictors<'_>, archs: Vec<Arch>) -> Vec<Network> {
    let mut predictors = predictors.clone();
    archs.into_iter().filter_map(|arch| predictors.network(arch)).collect()
}
