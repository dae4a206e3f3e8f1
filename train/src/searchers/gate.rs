//! The gradient of ProxylessNAS through binary gates (Cai, Zhu, Han 2019, section 3.2.2).
//!
//! Two candidates of every choice are sampled by their probabilities. One of them, again sampled by their probabilities,
//! gets gate 1 and gives the value; the other gets gate 0. The gradient at the gates serves as the gradient at the two
//! probabilities. It sums to zero over the two, so the other candidates keep their probabilities to first order.

use rand::Rng;
use tch::Tensor;

use super::ArchStep;
use crate::batch::MiniBatch;
use crate::device::{leaves, rows};
use crate::error::SearchError;
use crate::loss::Tally;
use crate::optimizer::add_to_all;
use crate::session::Session;
use crate::supernet::{Path, Phase};

/// One step of the architecture.
pub(super) fn step(session: &mut Session<'_>, valid: &[MiniBatch]) -> Result<ArchStep, SearchError> {
    let probabilities = session.distribution().probabilities();
    let mut rng = session.random();
    let pairs: Vec<[u16; 2]> = probabilities.iter().map(|row| pair(row, &mut rng)).collect();
    let shares: Vec<[f64; 2]> = probabilities.iter().zip(&pairs).map(|(row, pair)| shares(row, *pair)).collect();
    let mut open = |share: &[f64; 2]| if rng.random::<f64>() < share[0] { vec![1.0, 0.0] } else { vec![0.0, 1.0] };
    let gates = leaves(&shares.iter().map(&mut open).collect::<Vec<_>>(), session.net().device())?;
    let total: usize = valid.iter().map(MiniBatch::len).sum();
    let sums: Vec<Tensor> = gates.iter().map(|g| g.f_detach()?.f_zeros_like()).collect::<Result<_, _>>()?;
    let mut tally = Tally::default();
    for mini in valid {
        let one = session.loss(Path::Gated(&pairs, &gates), mini, Phase::Judge)?;
        tally = tally.and(one.tally);
        let share = session.numerics().scaled(&one.loss, mini.len() as f64 / total as f64)?;
        // A choice that no node reads, or whose two candidates are zeros, has no gradient.
        let found =
            sums.iter().zip(Tensor::f_run_backward(&[share], &gates, false, false)?).filter(|(_, g)| g.defined());
        let (read, more): (Vec<_>, Vec<_>) = found.map(|(sum, g)| (sum.shallow_clone(), g)).unzip();
        add_to_all(&read, &more, 1.0)?;
    }
    let scale = session.numerics().scale();
    let at_gates: Vec<Vec<f64>> = rows(&sums)?.into_iter().map(|row| row.iter().map(|g| g / scale).collect()).collect();
    let mut gradient: Vec<Vec<f64>> = probabilities.iter().map(|row| vec![0.0; row.len()]).collect();
    for (((row, pair), share), gate) in gradient.iter_mut().zip(&pairs).zip(&shares).zip(&at_gates) {
        let mean = gate[0] * share[0] + gate[1] * share[1];
        for j in 0..2 {
            row[usize::from(pair[j])] += share[j] * (gate[j] - mean);
        }
    }
    session.update_architecture(gradient)?;
    Ok(ArchStep { tally, curves: Vec::new() })
}

/// Two different candidates, drawn by their probabilities. For a choice with one candidate, this one twice.
fn pair(probabilities: &[f64], rng: &mut impl Rng) -> [u16; 2] {
    let mut left: Vec<f64> = probabilities.to_vec();
    let mut draw = || {
        let mut at = rng.random::<f64>() * left.iter().sum::<f64>();
        let found = left.iter().position(|p| {
            at -= p;
            at < 0.0
        });
        // After a rounding error: the last candidate with a positive probability.
        let drawn = found.or_else(|| left.iter().rposition(|&p| p > 0.0)).unwrap_or(0);
        left[drawn] = 0.0;
        drawn as u16
    };
    let first = draw();
    if probabilities.len() < 2 {
        return [first, first];
    }
    let second = draw();
    // If the first has all the probability, any other one is fine.
    [first, if second == first { u16::from(first == 0) } else { second }]
}

/// The probabilities of two candidates, normalised to sum 1.
fn shares(probabilities: &[f64], pair: [u16; 2]) -> [f64; 2] {
    let [a, b] = pair.map(|k| probabilities[usize::from(k)]);
    if a + b > 0.0 { [a / (a + b), b / (a + b)] } else { [0.5, 0.5] }
}
