//! The noise floor of a validation: the part of its error that comes from measuring the networks.

use nasprof_base::statistics::{mean, trimmed_mean};

/// Fewest networks, and fewest rounds of each, for a noise floor.
const FEWEST: usize = 4;

/// The mean absolute relative error that the networks' measured times would have against a LUT without any error. Each
/// network's times are given for each part of the measurement. The level is common to all networks in a part. The
/// differences between parts beyond the level show the error of a network's mean (the residual of a two-way analysis of
/// variance). A normal error of standard deviation s has the mean absolute value s √(2/π). `None` if too little was
/// measured.
pub(crate) fn noise_floor<'a>(networks: impl IntoIterator<Item = &'a [f64]>) -> Option<f64> {
    let logs: Vec<Vec<f64>> = networks.into_iter().map(|times| times.iter().map(|time| time.ln()).collect()).collect();
    let parts = logs.first()?.len();
    if logs.len() < FEWEST || parts < 2 || logs.iter().any(|own| own.len() != parts) {
        return None;
    }
    let of_part = |part: usize| mean(&logs.iter().map(|own| own[part]).collect::<Vec<_>>());
    let common: Vec<f64> = (0..parts).map(of_part).collect::<Option<_>>()?;
    let squares = |own: &Vec<f64>| {
        let beyond: Vec<f64> = own.iter().zip(&common).map(|(log, common)| log - common).collect();
        let center = mean(&beyond)?;
        Some(beyond.iter().map(|b| (b - center).powi(2)).sum::<f64>())
    };
    let variance = logs.iter().filter_map(squares).sum::<f64>() / ((logs.len() - 1) * (parts - 1)) as f64;
    Some((variance / parts as f64 * 2.0 / std::f64::consts::PI).sqrt())
}

/// A network's times in odd and in even rounds, from their samples: the parts of one process.
pub(crate) fn halves(rounds: &[Vec<f64>]) -> Option<Vec<f64>> {
    if rounds.len() < FEWEST {
        return None;
    }
    let half = |first: usize| {
        let samples: Vec<f64> = rounds.iter().skip(first).step_by(2).flatten().copied().collect();
        trimmed_mean(&samples)
    };
    Some(vec![half(0)?, half(1)?])
}

#[cfg(test)]
mod tests {
    use nasprof_base::statistics::standard_deviation;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    type Rounds = Vec<Vec<f64>>;

    fn normal(rng: &mut ChaCha8Rng, sd: f64) -> f64 {
        sd * ((0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0)
    }

    /// 400 networks of 1 ms in 24 rounds of four runs. Each visit has an error of its own, each round one that is
    /// common to all networks.
    fn networks(seed: u64, visits: f64, rounds: f64) -> Vec<Rounds> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let of_rounds: Vec<f64> = (0..24).map(|_| normal(&mut rng, rounds)).collect();
        let mut network = || -> Rounds {
            let mut visit = |round: &f64| (round + normal(&mut rng, visits)).exp() * 1e6;
            of_rounds.iter().map(|round| vec![visit(round); 4]).collect()
        };
        (0..400).map(|_| network()).collect()
    }

    fn of_halves(networks: &[Rounds]) -> Option<f64> {
        let halves: Vec<Vec<f64>> = networks.iter().filter_map(|rounds| halves(rounds)).collect();
        noise_floor(halves.iter().map(Vec::as_slice))
    }

    /// The error that an estimator without error would appear to have.
    fn charged(times: &[f64]) -> f64 {
        let logs: Vec<f64> = times.iter().map(|time| time.ln()).collect();
        let level = mean(&logs).unwrap();
        mean(&logs.iter().map(|log| (log - level).abs()).collect::<Vec<_>>()).unwrap()
    }

    fn charged_in_one_process(networks: &[Rounds]) -> f64 {
        charged(&networks.iter().map(|rounds| trimmed_mean(&rounds.concat()).unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn it_is_what_a_perfect_estimator_would_be_charged_with() {
        for (visits, rounds) in [(0.05, 0.0), (0.05, 0.04), (0.01, 0.1)] {
            let networks = networks(1, visits, rounds);
            let (floor, charged) = (of_halves(&networks).unwrap(), charged_in_one_process(&networks));
            assert!((floor / charged - 1.0).abs() < 0.15, "{floor} {charged}");
        }
        // Control: treating runs as independent, though there are four in a visit, gives half of it.
        let networks = networks(1, 0.05, 0.0);
        let naive = networks.iter().map(|rounds| standard_deviation(&rounds.concat()).unwrap() / 1e6);
        let naive = mean(&naive.collect::<Vec<_>>()).unwrap() / 96_f64.sqrt() * 0.8;
        assert!(naive < 0.6 * charged_in_one_process(&networks), "{naive}");
    }

    /// A process gives each network blocks of memory of its own, which no number of rounds within it shows.
    #[test]
    fn several_processes_show_what_one_cannot() {
        for count in [2, 4, 5] {
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            let levels: Vec<f64> = (0..count).map(|_| normal(&mut rng, 0.05)).collect();
            let network = |_| levels.iter().map(|level| 1e6 * (level + normal(&mut rng, 0.01)).exp()).collect();
            let processes: Vec<Vec<f64>> = (0..400).map(network).collect();
            let means: Vec<f64> = processes.iter().map(|times| mean(times).unwrap()).collect();
            let estimated = noise_floor(processes.iter().map(Vec::as_slice)).unwrap();
            assert!((estimated / charged(&means) - 1.0).abs() < 0.15, "{estimated} {}", charged(&means));
        }
        // Control: rounds within one process agree to a thousandth, whatever the process does to the network.
        assert!(of_halves(&networks(1, 0.001, 0.0)).unwrap() < 0.0005);
    }

    #[test]
    fn too_little_is_not_told() {
        let mut few = networks(1, 0.05, 0.0);
        few.truncate(3);
        assert_eq!(of_halves(&few), None);
        let short: Vec<Rounds> = networks(1, 0.05, 0.0).into_iter().map(|rounds| rounds[..3].to_vec()).collect();
        assert_eq!(of_halves(&short), None);
        assert_eq!(noise_floor([[1e6].as_slice(); 10]), None);
        assert_eq!(noise_floor([]), None);
    }
}
