//! How much of a validation's error is the measurement of the networks themselves.

use nasprof_profiler::statistics::{standard_deviation, trimmed_mean};

/// Fewest networks, and fewest rounds of each, that tell it.
const FEWEST: usize = 4;

/// The samples of one network, by round.
pub(crate) type Rounds = Vec<Vec<f64>>;

/// The mean absolute relative error that the networks' measured times would have against a LUT without any error: each
/// network's odd and even rounds are compared. What all networks have in common is the level and no part of it. Of a normal
/// error of standard deviation s the mean absolute value is s √(2/π); half the difference of two halves of equal size has the
/// standard deviation of the whole. `None` where too little was measured to tell.
pub(crate) fn noise<'a>(networks: impl IntoIterator<Item = &'a Rounds>) -> Option<f64> {
    let differences: Vec<f64> = networks.into_iter().filter_map(difference).collect();
    if differences.len() < FEWEST {
        return None;
    }
    Some(standard_deviation(&differences)? * (2.0 / std::f64::consts::PI).sqrt())
}

/// Half the difference of the logarithms of a network's times in odd and in even rounds.
fn difference(rounds: &Rounds) -> Option<f64> {
    if rounds.len() < FEWEST {
        return None;
    }
    let half = |first: usize| {
        let samples: Vec<f64> = rounds.iter().skip(first).step_by(2).flatten().copied().collect();
        trimmed_mean(&samples)
    };
    Some((half(0)?.ln() - half(1)?.ln()) / 2.0)
}

#[cfg(test)]
mod tests {
    use nasprof_profiler::statistics::mean;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// 400 networks of 1 ms in 24 rounds of four runs. Each visit is off by its own factor, each round by one for all.
    fn networks(seed: u64, visits: f64, rounds: f64) -> Vec<Rounds> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = |sd: f64| sd * ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0);
        let of_rounds: Vec<f64> = (0..24).map(|_| normal(rounds)).collect();
        let mut network = || -> Rounds {
            let mut visit = |round: &f64| (round + normal(visits)).exp() * 1e6;
            of_rounds.iter().map(|round| vec![visit(round); 4]).collect()
        };
        (0..400).map(|_| network()).collect()
    }

    /// What an estimator without error would be charged with.
    fn charged(networks: &[Rounds]) -> f64 {
        let times = networks.iter().map(|rounds| trimmed_mean(&rounds.concat()).unwrap().ln());
        let times: Vec<f64> = times.collect();
        let level = mean(&times).unwrap();
        mean(&times.iter().map(|time| (time - level).abs()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn it_is_what_a_perfect_estimator_would_be_charged_with() {
        for (visits, rounds) in [(0.05, 0.0), (0.05, 0.04), (0.01, 0.1)] {
            let networks = networks(1, visits, rounds);
            let (noise, charged) = (noise(&networks).unwrap(), charged(&networks));
            assert!((noise / charged - 1.0).abs() < 0.15, "{noise} {charged}");
        }
        // The control: runs taken for independent ones, though they come four to a visit, promise half of it.
        let networks = networks(1, 0.05, 0.0);
        let naive = networks.iter().map(|rounds| standard_deviation(&rounds.concat()).unwrap() / 1e6);
        let naive = mean(&naive.collect::<Vec<_>>()).unwrap() / 96_f64.sqrt() * 0.8;
        assert!(naive < 0.6 * charged(&networks), "{naive}");
    }

    #[test]
    fn too_little_is_not_told() {
        let mut few = networks(1, 0.05, 0.0);
        few.truncate(3);
        assert_eq!(noise(&few), None);
        let short: Vec<Rounds> = networks(1, 0.05, 0.0).into_iter().map(|rounds| rounds[..3].to_vec()).collect();
        assert_eq!(noise(&short), None);
    }
}
