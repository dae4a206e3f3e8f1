//! The size effect: networks do not take longer in proportion to the sum of their layers.
//!
//! A layer's time in the LUT is a mean over the networks in which it was timed. In a larger network it has less of the
//! caches and a busier processor, in a smaller one the opposite. This affects all layers alike, so sums are too low for
//! large networks and too high for small ones: the latency grows with a power of the sum that is a little above 1. The
//! networks that were measured whole show the power: a line through the logarithms of whole over sum.
//!
//! Nine LUTs of mobilenet-cifar10, measured on 2-core virtual machines, had slopes of 0.01 to 0.12. With them the mean error
//! over 60 to 100 fresh networks fell from 1.49 to 1.30 % and from 1.34 to 1.15 %, where the measured times' own noise was
//! 0.9 %.

use nasprof_base::statistics::{mean, standard_deviation};
use serde::{Deserialize, Serialize};

/// Fewest measured networks to fit it to.
const FEWEST: usize = 12;
/// Fewest networks to fit its change to.
const FEWEST_NOW: usize = 6;
/// Standard deviation of the slopes of different measurements around 0: the prior of the fit. Networks that scatter much do not
/// show their slope well; it is then taken to be smaller.
const USUAL_SLOPE: f64 = 0.1;
/// An effect below this standard deviation over the measured networks is left out, such as a residue of timers between layers.
const LEAST: f64 = 0.001;
/// A power of 0 or of 2 is no correction of a sum.
const STEEPEST: f64 = 1.0;

/// The latency of a network as a function of the sum of its layers, before the calibration's scale: `sum * (sum / usual)^slope`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct SizeEffect {
    /// Change of the factor's logarithm per change of the sum's logarithm; between -1 and 1.
    pub slope: f64,
    /// The sum at which the factor is 1: the geometric mean of the measured networks, nanoseconds.
    pub usual_ns: f64,
    /// The least sum of a measured network; the factor of a smaller one is that of this one.
    pub low_ns: f64,
    /// The largest sum of a measured network; the factor of a larger one is that of this one.
    pub high_ns: f64,
}

/// A size effect in a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Current(Current),
    Older(Older),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Current {
    slope: f64,
    usual_ns: f64,
    low_ns: f64,
    high_ns: f64,
}

/// Until version 3: one slope for each static cost of a network.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Older {
    params: OlderSlope,
    macs: OlderSlope,
    bytes: OlderSlope,
    layers: OlderSlope,
}

#[derive(Deserialize)]
struct OlderSlope {
    slope: f64,
}

impl From<Stored> for SizeEffect {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Current(Current { slope, usual_ns, low_ns, high_ns }) => Self { slope, usual_ns, low_ns, high_ns },
            // The costs of networks grow together, so the slopes add up. The sums follow by `completed`.
            Stored::Older(Older { params, macs, bytes, layers }) => {
                let slope = params.slope + macs.slope + bytes.slope + layers.slope;
                Self { slope, usual_ns: 0.0, low_ns: 0.0, high_ns: 0.0 }
            }
        }
    }
}

impl SizeEffect {
    /// The factor of a network whose layers sum up to `sum_ns`.
    #[must_use]
    pub fn factor(&self, sum_ns: f64) -> f64 {
        (sum_ns.clamp(self.low_ns, self.high_ns) / self.usual_ns).powf(self.slope)
    }

    /// The sum of layers from its product with the factor.
    fn sum_ns(&self, latency_ns: f64) -> f64 {
        let between = self.usual_ns * (latency_ns / self.usual_ns).powf(1.0 / (1.0 + self.slope));
        latency_ns / self.factor(between)
    }

    /// A slope around the sums of measured networks, given as logarithms; `None` without a sum.
    fn around(slope: f64, log_sums: &[f64]) -> Option<Self> {
        let (low, high) = (log_sums.iter().copied().reduce(f64::min)?, log_sums.iter().copied().reduce(f64::max)?);
        // The rounded mean of equal values may differ from them.
        let usual = mean(log_sums)?.clamp(low, high);
        Some(Self { slope, usual_ns: usual.exp(), low_ns: low.exp(), high_ns: high.exp() })
    }

    /// The size effect of a file until version 3, which had no sums, around the sums of measured networks.
    pub(crate) fn completed(self, sums_ns: &[f64]) -> Self {
        let logs: Vec<f64> = sums_ns.iter().map(|ns| ns.ln()).collect();
        if self.usual_ns == 0.0 { Self::around(self.slope, &logs).unwrap_or(self) } else { self }
    }

    /// The effect at another moment, given its `change` since the LUT's `effect`, and the factor on the scale that goes with it: changes
    /// are 1 at the usual sum of their own networks.
    pub(crate) fn changed(effect: Option<Self>, change: Self) -> (Self, f64) {
        let Some(effect) = effect else { return (change, 1.0) };
        let slope = effect.slope + change.slope;
        if slope.abs() >= STEEPEST {
            return (effect, 1.0);
        }
        (Self { slope, ..effect }, (effect.usual_ns / change.usual_ns).powf(change.slope))
    }

    /// Whether the numbers can come from a fit.
    pub(crate) fn is_possible(&self) -> bool {
        let ordered = 0.0 < self.low_ns && self.low_ns <= self.usual_ns && self.usual_ns <= self.high_ns;
        self.slope.abs() < STEEPEST && ordered && self.high_ns.is_finite()
    }
}

/// The latency of a network as a function of the calibrated sum of its layers: the size effect at an estimator's scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatencyOfSum {
    pub(crate) effect: Option<SizeEffect>,
    /// Calibrated milliseconds for a nanosecond of the sum.
    pub(crate) ms_per_ns: f64,
}

impl LatencyOfSum {
    /// Milliseconds of a network whose layers sum up to `sum_ms`. An increasing function.
    #[must_use]
    pub fn latency_ms(&self, sum_ms: f64) -> f64 {
        self.effect.map_or(sum_ms, |effect| sum_ms * effect.factor(sum_ms / self.ms_per_ns))
    }

    /// Whether the latency is the sum itself.
    #[must_use]
    pub fn is_the_sum(&self) -> bool {
        self.effect.is_none()
    }

    /// The sum of the layers before the calibration's scale, in nanoseconds, of a network with this latency.
    pub(crate) fn sum_ns(&self, latency_ms: f64) -> f64 {
        self.sum_ms(latency_ms) / self.ms_per_ns
    }

    /// The inverse of [`LatencyOfSum::latency_ms`].
    #[must_use]
    pub fn sum_ms(&self, latency_ms: f64) -> f64 {
        self.effect.map_or(latency_ms, |effect| self.ms_per_ns * effect.sum_ns(latency_ms / self.ms_per_ns))
    }
}

/// A measured network: the logarithm of the sum of its layers in the other networks, and that of whole over this sum.
pub(crate) type Example = (f64, f64);

/// Fits the effect, and gives for each network the logarithm of its factor as fitted to the others. `None` if there are too few
/// networks or the effect does not matter.
pub(crate) fn fit(networks: &[Example]) -> Option<(SizeEffect, Vec<f64>)> {
    if networks.len() < FEWEST {
        return None;
    }
    let effect = of_all(networks)?;
    let deviation = standard_deviation(&networks.iter().map(|(sum, _)| *sum).collect::<Vec<_>>())?;
    if effect.slope.abs() * deviation < LEAST {
        return None;
    }
    let others = |i: usize| -> Vec<Example> { [&networks[..i], &networks[i + 1..]].concat() };
    let left_out = |i: usize| Some(of_all(&others(i))?.factor(networks[i].0.exp()).ln());
    Some((effect, (0..networks.len()).map(left_out).collect::<Option<_>>()?))
}

/// The change of the effect since the LUT was measured, by networks whose logarithms are of their sum and of their latency now over
/// that in the LUT. `None` if there are too few networks.
pub(crate) fn fit_change(networks: &[Example]) -> Option<SizeEffect> {
    if networks.len() < FEWEST_NOW { None } else { of_all(networks) }
}

/// `None` if all sums are equal, or if the slope is not that of a correction.
fn of_all(networks: &[Example]) -> Option<SizeEffect> {
    let sums: Vec<f64> = networks.iter().map(|(sum, _)| *sum).collect();
    let effect = SizeEffect::around(slope(networks)?, &sums)?;
    effect.is_possible().then_some(effect)
}

/// The slope of whole over sum: a ridge regression (Hoerl and Kennard 1970), which is the mean of the posterior if slopes have a
/// normal prior. `None` if all sums are equal.
fn slope(networks: &[Example]) -> Option<f64> {
    let center = |of: fn(&Example) -> f64| mean(&networks.iter().map(of).collect::<Vec<_>>());
    let (sum, log) = (center(|network| network.0)?, center(|network| network.1)?);
    let squares: f64 = networks.iter().map(|network| (network.0 - sum).powi(2)).sum();
    let products: f64 = networks.iter().map(|network| (network.0 - sum) * (network.1 - log)).sum();
    if squares <= f64::EPSILON {
        return None;
    }
    let line = products / squares;
    let rest: f64 = networks.iter().map(|network| (network.1 - log - line * (network.0 - sum)).powi(2)).sum();
    let variance = rest / (networks.len() as f64 - 2.0);
    Some(products / (squares + variance / USUAL_SLOPE.powi(2)))
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Networks whose whole over sum grows with a power of the sum.
    fn networks(seed: u64, count: usize, power: f64, noise: f64) -> Vec<Example> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let network = |_| {
            let size = 0.1 * normal();
            (15.0 + size, 0.03 + power * size + noise * normal())
        };
        (0..count).map(network).collect()
    }

    fn scatter(values: impl Iterator<Item = f64>) -> f64 {
        standard_deviation(&values.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn networks_that_were_not_measured_are_predicted_better() {
        for seed in 0..10 {
            let (effect, left_out) = fit(&networks(seed, 30, 0.12, 0.004)).unwrap();
            let holdout = networks(seed + 100, 200, 0.12, 0.0);
            let corrected = scatter(holdout.iter().map(|(sum, log)| log - effect.factor(sum.exp()).ln()));
            // Control: without the effect, the error that the power causes over different sizes.
            let plain = scatter(holdout.iter().map(|(_, log)| *log));
            assert!(corrected < 0.35 * plain, "seed {seed}: {corrected} {plain}");
            assert_eq!(left_out.len(), 30);
        }
    }

    /// Networks that scatter much show a slope that is partly luck.
    #[test]
    fn noise_costs_little_and_too_few_networks_have_no_effect() {
        let (mut shrunk, mut line) = (0.0, 0.0);
        for seed in 0..100 {
            let measured = networks(seed, 30, 0.0, 0.03);
            let slope = fit(&measured).map_or(0.0, |(effect, _)| effect.slope);
            shrunk += slope.powi(2);
            // Control: the same noise a thousand times smaller has the slope of the plain line.
            let small: Vec<Example> = measured.iter().map(|(sum, log)| (*sum, 1e-3 * log)).collect();
            line += (1e3 * super::slope(&small).unwrap()).powi(2);
        }
        assert!(shrunk < 0.75 * line, "{shrunk} {line}");
        assert_eq!(fit(&networks(1, FEWEST - 1, 0.12, 0.0)), None);
        // An effect that is too small to matter, though no noise hides it.
        assert_eq!(fit(&networks(1, 30, 0.005, 0.0)), None);
        // One network many times over: no size differs.
        assert_eq!(fit(&vec![(15.0, 0.1); 30]), None);
        // No correction of a sum: all networks take equally long, whatever their sums are.
        assert_eq!(fit(&networks(1, 30, -1.2, 0.0)), None);
    }

    /// A left-out network does not help to predict itself: its errors are those of holdout networks, not of a fit.
    #[test]
    fn the_left_out_are_not_flattered() {
        let (mut left, mut fitted, mut holdout) = (0.0, 0.0, 0.0);
        for seed in 0..40 {
            let measured = networks(seed, 14, 0.12, 0.01);
            let Some((effect, left_out)) = fit(&measured) else { continue };
            left += scatter(measured.iter().zip(&left_out).map(|((_, log), effect)| log - effect));
            fitted += scatter(measured.iter().map(|(sum, log)| log - effect.factor(sum.exp()).ln()));
            let others = networks(seed + 100, 200, 0.12, 0.01);
            holdout += scatter(others.iter().map(|(sum, log)| log - effect.factor(sum.exp()).ln()));
        }
        assert!(left > 0.95 * holdout && fitted < left, "{left} {fitted} {holdout}");
    }

    #[test]
    fn a_sum_follows_from_its_latency_and_a_larger_sum_has_a_larger_one() {
        for slope in [-0.9, -0.1, 0.0, 0.1, 0.9] {
            let effect = SizeEffect { slope, usual_ns: 5e6, low_ns: 4e6, high_ns: 7e6 };
            let of_sum = LatencyOfSum { effect: Some(effect), ms_per_ns: 1.1e-6 };
            let mut before = 0.0;
            for sum in (1..400).map(|i| f64::from(i) * 0.05) {
                let latency = of_sum.latency_ms(sum);
                assert!((of_sum.sum_ms(latency) / sum - 1.0).abs() < 1e-12, "{slope} {sum}");
                assert!(latency > before, "{slope} {sum}");
                before = latency;
            }
            assert!((effect.factor(5e6) - 1.0).abs() < 1e-15);
            // Beyond the measured networks the factor stays.
            assert_eq!((effect.factor(1e6), effect.factor(9e6)), (effect.factor(4e6), effect.factor(7e6)));
        }
        // A change counts around its own networks, and the LUT's effect stays around those of the LUT.
        let effect = SizeEffect { slope: 0.1, usual_ns: 5e6, low_ns: 4e6, high_ns: 7e6 };
        let change = SizeEffect { slope: 0.05, usual_ns: 6e6, low_ns: 5e6, high_ns: 7e6 };
        let (now, scale) = SizeEffect::changed(Some(effect), change);
        for sum in [4.5e6, 5e6, 6e6, 6.5e6] {
            let both = effect.factor(sum) * (sum / 6e6_f64).powf(0.05);
            assert!((scale * now.factor(sum) / both - 1.0).abs() < 1e-12);
        }
        assert_eq!(SizeEffect::changed(None, change), (change, 1.0));
        // A sum of slopes that is no correction changes nothing.
        let steep = SizeEffect { slope: 0.95, ..change };
        assert_eq!(SizeEffect::changed(Some(effect), steep), (effect, 1.0));
        let none = LatencyOfSum { effect: None, ms_per_ns: 1e-6 };
        assert_eq!((none.latency_ms(3.0), none.sum_ms(3.0)), (3.0, 3.0));
    }
}
