//! The best networks of a space under limits, and fronts of two quantities, without training.
//!
//! Small spaces are enumerated. Where each choice adds its own part to every quantity, the answer is exact over the whole
//! space ([`exact`]). Else networks are sampled and improved by changing one choice at a time ([`sampled`]); the answer says
//! so ([`Explored`]).

mod every;
mod exact;
mod known;
mod sampled;
mod table;

use nasprof_graph::Arch;
use serde::Serialize;

pub use known::{Axis, Limits, Network, Predictors, SampleSettings};
pub use table::{ScoreTableError, ScoredNetwork, read_table};

use self::exact::Additive;

/// How much of a space was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Explored {
    /// Every architecture.
    Enumerated {
        /// How many there are.
        networks: u64,
    },
    /// All, without enumerating them: each choice adds its own part.
    Exact,
    /// Networks that were sampled, and those that differ from the best of them in one choice, again and again: better ones
    /// may exist.
    Sampled {
        /// Sampled at the start.
        samples: u32,
        /// Of the samples.
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
    let exact = Additive::new(predictors, &limits.axes(axis)).and_then(|additive| additive.best(axis, limits, top));
    match exact {
        Some(archs) => (evaluated(predictors, archs), Explored::Exact),
        None => (sampled::rank(predictors, axis, limits, top, settings), explored(settings, predictors)),
    }
}

/// The front of two quantities: networks that no other beats in both, by the first.
#[must_use]
pub fn front(predictors: &Predictors<'_>, axes: [Axis; 2], settings: SampleSettings) -> (Vec<Network>, Explored) {
    let space = predictors.space();
    if let Some(networks) = every::count(space, predictors.is_fast()) {
        return (known::front(every::evaluate(predictors, networks), axes), Explored::Enumerated { networks });
    }
    let exact = Additive::new(predictors, &axes).and_then(|additive| additive.front(axes));
    match exact {
        // Sums that differ in the last digit only may have another order as predictions.
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
