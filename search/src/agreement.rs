//! How well a supernet's ranking of networks agrees with their ranking after stand-alone training.

use std::path::Path;

use nasprof_base::ranks::kendall;
use nasprof_graph::arch::ArchFile;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::data::{Purpose, stream};
use crate::folder::FolderError;

/// `judged.json` of a run folder.
pub const FILE: &str = "judged.json";

/// The fewest networks with an interval. With two, each bootstrap sample has the same order, so the interval would have no
/// width.
pub const LEAST_NETWORKS: usize = 5;

/// Bootstrap samples for an interval.
const DRAWS: u64 = 10_000;

/// A network with its accuracies by the supernet and after stand-alone training, as shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// The network.
    pub arch: ArchFile,
    /// On validation images, with the supernet's weights.
    pub supernet_accuracy: f64,
    /// On validation images, after stand-alone training.
    pub valid_accuracy: f64,
    /// On test images, after stand-alone training.
    pub test_accuracy: f64,
    /// Multiply-accumulates for one image.
    pub macs: f64,
    /// Trainable parameters.
    pub params: f64,
}

/// A rank correlation: Kendall's tau-b with its 95 % interval, by the bootstrap over networks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tau {
    /// Kendall's tau-b.
    pub tau: f64,
    /// Its interval.
    pub interval: [f64; 2],
}

/// How well several orders of networks agree with the order by test accuracy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Number of judged networks.
    pub networks: usize,
    /// The order by the supernet; absent for fewer than [`LEAST_NETWORKS`], or if all accuracies are equal.
    pub supernet: Option<Tau>,
    /// The order by MACs, which needs no training.
    pub macs: Option<Tau>,
    /// The order by parameters.
    pub params: Option<Tau>,
    /// The judged networks.
    pub judged: Vec<Judged>,
}

impl Agreement {
    /// The agreement over these networks.
    #[must_use]
    pub fn of(judged: Vec<Judged>) -> Self {
        let test: Vec<f64> = judged.iter().map(|one| one.test_accuracy).collect();
        let with = |of: fn(&Judged) -> f64| tau(&judged.iter().map(of).collect::<Vec<f64>>(), &test);
        let (supernet, macs, params) =
            (with(|one| one.supernet_accuracy), with(|one| one.macs), with(|one| one.params));
        Self { networks: judged.len(), supernet, macs, params, judged }
    }

    /// Reads it from a run folder.
    ///
    /// # Errors
    /// A file that is unreadable or has another format.
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|e| FolderError::file(&path, e))?;
        serde_json::from_str(&text).map_err(|e| FolderError::Format { path, problem: e.to_string() })
    }
}

fn tau(a: &[f64], b: &[f64]) -> Option<Tau> {
    let tau = kendall(a, b).filter(|_| a.len() >= LEAST_NETWORKS)?;
    let mut draws: Vec<f64> = (0..DRAWS)
        .filter_map(|draw| {
            let mut rng = stream(0, Purpose::Trials, 4, draw);
            let drawn: Vec<usize> = a.iter().map(|_| rng.random_range(0..a.len())).collect();
            let of = |values: &[f64]| drawn.iter().map(|&i| values[i]).collect::<Vec<f64>>();
            kendall(&of(a), &of(b))
        })
        .collect();
    draws.sort_by(f64::total_cmp);
    let at = |share: f64| draws.get((share * draws.len() as f64) as usize).copied().unwrap_or(tau);
    Some(Tau { tau, interval: [at(0.025), at(0.975)] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_what_is_true() {
        let noise = |i: u64| f64::from((i as u32).wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
        let truth: Vec<f64> = (0..60).map(|i| f64::from(i) / 60.0).collect();
        let like: Vec<f64> = truth.iter().zip(0..).map(|(value, i)| value + 0.5 * noise(i)).collect();
        let unlike: Vec<f64> = (0..60).map(noise).collect();
        let found = tau(&like, &truth).unwrap();
        assert!(found.interval[0] > 0.3 && found.interval[0] < found.tau && found.tau < found.interval[1], "{found:?}");
        // The control: what has nothing to do with it.
        let found = tau(&unlike, &truth).unwrap();
        assert!(found.interval[0] < 0.0 && found.interval[1] > 0.0, "{found:?}");
        assert_eq!(tau(&[1.0; 6], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), None, "all alike");
        // Two networks in one order prove nothing, though each draw of them has that order.
        let few = [1.0, 2.0, 3.0, 4.0];
        assert_eq!((tau(&few[..2], &few[..2]), tau(&few, &few)), (None, None));
    }
}
