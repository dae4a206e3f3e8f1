//! Scores of networks at initialisation, from one batch of images and without training; higher is better.
//!
//! Small matrices are decomposed on the CPU: on a GPU that would load another large library, cuSOLVER, and take longer.
//!
//! None of them is an accuracy. A table of trained networks shows how well each ranks networks of similar latency.

mod covariance;
mod jacobian;
mod naswot;
mod synflow;

use std::collections::BTreeMap;

use tch::Tensor;

use crate::error::SearchError;
use crate::supernet::Supernet;

/// Names of all scores in files.
pub const NAMES: [&str; 5] = ["az_expressivity", "az_progressivity", "jacobian_covariance", "naswot", "synflow"];

/// All scores of a network without choices on a batch of images `(N, C, H, W)`, without scores that are not finite. The
/// network is unchanged afterwards.
///
/// # Errors
/// libtorch's.
pub fn scores(net: &Supernet, images: &Tensor) -> Result<BTreeMap<String, f64>, SearchError> {
    let expressivity = covariance::entropies(net, images)?;
    let all = [
        ("az_expressivity", expressivity.iter().sum()),
        ("az_progressivity", covariance::least_rise(&expressivity)),
        ("jacobian_covariance", jacobian::score(net, images)?),
        ("naswot", naswot::score(net, images)?),
        ("synflow", synflow::score(net, images)?),
    ];
    Ok(all.into_iter().filter(|(_, score)| score.is_finite()).map(|(name, score)| (name.to_owned(), score)).collect())
}
