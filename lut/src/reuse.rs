//! A layer's time as a function of its reuse distance.
//!
//! A layer is timed at many occurrences, and its time differs between them in a repeatable way: see
//! [`nasprof_graph::reuse`]. The LUT stores the means of the occurrences with their distances. An estimate weights the
//! occurrences by how close their distance is to the requested one (kernel regression, Nadaraya 1964 and Watson 1964,
//! on the logarithm of the distance). It needs no cache size.

use serde::{Deserialize, Serialize};

/// Bandwidths to try, in units of the natural logarithm of the distance.
pub(crate) const BANDWIDTHS: [f64; 4] = [0.4, 0.2, 0.1, 0.05];

/// Weight of the mean over all occurrences, in occurrences: it stabilises a value with few occurrences nearby.
const PRIOR_OCCURRENCES: f64 = 0.3;

/// Steps of the [`Grid`] in a bandwidth, at least.
const STEPS_PER_BANDWIDTH: f64 = 16.0;

/// Bits of a number's mantissa.
const MANTISSA: u32 = f64::MANTISSA_DIGITS - 1;

/// Occurrences more bandwidths away than this have a weight below 1e-24, which changes no bit of a sum that begins with
/// [`PRIOR_OCCURRENCES`].
pub(crate) const FAR: f64 = 10.6;

/// A layer's time at occurrences of one reuse distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReusePoint {
    /// The distance ([`nasprof_graph::LoweredLayer::reuse_bytes`]), bytes.
    pub bytes: u64,
    /// Number of occurrences.
    #[serde(rename = "places")]
    pub occurrences: u64,
    /// Mean of the occurrences' trimmed means, nanoseconds.
    pub mean_ns: f64,
}

/// A layer's occurrences, prepared for many lookups.
#[derive(Debug, Clone)]
pub(crate) struct ReuseCurve {
    /// Logarithm of the distance, occurrences, and their times together.
    pub(crate) points: Vec<[f64; 3]>,
    mean_ns: f64,
}

impl ReuseCurve {
    /// `None` without occurrences.
    pub(crate) fn new(points: &[ReusePoint]) -> Option<Self> {
        let mut points: Vec<[f64; 3]> = points
            .iter()
            .map(|point| {
                let occurrences = point.occurrences as f64;
                [log(point.bytes), occurrences, occurrences * point.mean_ns]
            })
            .collect();
        points.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let [occurrences, times] = [1, 2].map(|i| points.iter().map(|point| point[i]).sum::<f64>());
        (occurrences > 0.0).then(|| Self { points, mean_ns: times / occurrences })
    }

    /// The expected time at a distance, nanoseconds: linear between the steps of the [`Grid`], so that a table of the
    /// steps gives the same bits.
    pub(crate) fn time_at(&self, bytes: u64, bandwidth: f64) -> f64 {
        let grid = Grid::new(bandwidth);
        grid.between(bytes, |step| self.time_at_log(grid.log(step), bandwidth))
    }

    /// The regression, at a logarithm of a distance.
    pub(crate) fn time_at_log(&self, at: f64, bandwidth: f64) -> f64 {
        let (mut weights, mut times) = (PRIOR_OCCURRENCES, PRIOR_OCCURRENCES * self.mean_ns);
        let first = self.points.partition_point(|point| point[0] < at - FAR * bandwidth);
        let near = self.points[first..].iter().take_while(|point| point[0] <= at + FAR * bandwidth);
        for [log, occurrences, ns] in near {
            let weight = (-0.5 * ((log - at) / bandwidth).powi(2)).exp();
            weights += weight * occurrences;
            times += weight * ns;
        }
        times / weights
    }
}

/// Distances close enough together for a bandwidth that the time is linear between them to a thousandth of its change.
/// Each octave has the same power of two of them: finding a distance's step takes no logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    /// Bits of a distance's mantissa that a step leaves out.
    shift: u32,
}

impl Grid {
    pub(crate) fn new(bandwidth: f64) -> Self {
        let bits = (STEPS_PER_BANDWIDTH / bandwidth).log2().ceil().clamp(0.0, f64::from(MANTISSA)) as u32;
        Self { shift: MANTISSA - bits }
    }

    /// The last step that is not above a distance of `bytes`, plus the one byte of [`log`].
    pub(crate) fn step(self, bytes: u64) -> u64 {
        (bytes as f64 + 1.0).to_bits() >> self.shift
    }

    /// The logarithm of the distance at a step.
    pub(crate) fn log(self, step: u64) -> f64 {
        f64::from_bits(step << self.shift).ln()
    }

    /// A value at a distance from the values at the steps around it.
    pub(crate) fn between(self, bytes: u64, value: impl Fn(u64) -> f64) -> f64 {
        let bits = (bytes as f64 + 1.0).to_bits();
        let rest = bits & ((1 << self.shift) - 1);
        let below = value(bits >> self.shift);
        if rest == 0 {
            return below;
        }
        let above = value((bits >> self.shift) + 1);
        below + (above - below) * (rest as f64 / (1u64 << self.shift) as f64)
    }
}

/// Adds one byte, so that a layer which directly follows its kind has a logarithm.
fn log(bytes: u64) -> f64 {
    (bytes as f64 + 1.0).ln()
}

/// The expected time at a distance, nanoseconds; `None` without points.
pub(crate) fn time_at(points: &[ReusePoint], bytes: u64, bandwidth: f64) -> Option<f64> {
    Some(ReuseCurve::new(points)?.time_at(bytes, bandwidth))
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn point(bytes: u64, occurrences: u64, mean_ns: f64) -> ReusePoint {
        ReusePoint { bytes, occurrences, mean_ns }
    }

    #[test]
    fn near_places_count_and_far_ones_do_not() {
        let points = [point(100_000, 9, 60.0), point(3_000_000, 9, 80.0)];
        let warm = time_at(&points, 110_000, 0.2).unwrap();
        let cold = time_at(&points, 2_900_000, 0.2).unwrap();
        assert!((60.0..61.5).contains(&warm) && (78.5..80.0).contains(&cold), "{warm} {cold}");
        // Control: with a bandwidth that sees no difference, both are the mean.
        assert!((time_at(&points, 110_000, 1e6).unwrap() - 70.0).abs() < 1e-6);
    }

    /// Far occurrences are skipped for speed alone: all of them together would not change a bit.
    #[test]
    fn skipping_far_occurrences_changes_nothing() {
        let points: Vec<ReusePoint> = (0..400).map(|i| point(1 << (i % 40) | i, 1 + i, 50.0 + i as f64)).collect();
        let curve = ReuseCurve::new(&points).unwrap();
        for (bytes, bandwidth) in [(0, 0.05), (1_000, 0.1), (123_456, 0.2), (1 << 39, 0.4)] {
            let at = log(bytes);
            let start = (PRIOR_OCCURRENCES, PRIOR_OCCURRENCES * curve.mean_ns);
            let all = curve.points.iter().fold(start, |(weights, times), [log, occurrences, ns]| {
                let weight = (-0.5 * ((log - at) / bandwidth).powi(2)).exp();
                (weights + weight * occurrences, times + weight * ns)
            });
            assert_eq!(curve.time_at_log(at, bandwidth).to_bits(), (all.1 / all.0).to_bits(), "{bytes} {bandwidth}");
        }
    }

    /// Between the steps the regression hardly bends, even where a layer's time changes by half within a bandwidth.
    #[test]
    fn steps_are_close_enough() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        for bandwidth in BANDWIDTHS {
            let (mut worst, mut worst_coarse) = (0.0f64, 0.0f64);
            for _ in 0..2_000 {
                let near = |rng: &mut ChaCha8Rng| (1e6 * (rng.random_range(-4.0..4.0f64) * bandwidth).exp()) as u64;
                let points: Vec<ReusePoint> = (0..6)
                    .map(|_| point(near(&mut rng), rng.random_range(1..40), rng.random_range(60.0..90.0)))
                    .collect();
                let (curve, bytes) = (ReuseCurve::new(&points).unwrap(), near(&mut rng));
                let exact = curve.time_at_log(log(bytes), bandwidth);
                let off = |ns: f64| (ns / exact - 1.0).abs();
                worst = worst.max(off(curve.time_at(bytes, bandwidth)));
                // Control: steps as wide as a bandwidth.
                let coarse = Grid::new(bandwidth * STEPS_PER_BANDWIDTH);
                worst_coarse =
                    worst_coarse.max(off(coarse.between(bytes, |step| curve.time_at_log(coarse.log(step), bandwidth))));
            }
            assert!(worst < 5e-4 && worst_coarse > 2e-3, "{bandwidth}: {worst} {worst_coarse}");
        }
    }

    #[test]
    fn every_distance_is_between_its_steps() {
        for bandwidth in [1e-30, 0.05, 0.4, 3.0, 1e9] {
            let grid = Grid::new(bandwidth);
            for bytes in [0, 1, 2, 1_000, (1 << 53) - 2, u64::MAX] {
                let step = grid.step(bytes);
                assert!(grid.log(step) <= log(bytes) && log(bytes) <= grid.log(step + 1), "{bandwidth} {bytes}");
                let [low, high] = [step, step + 1].map(|step| grid.log(step));
                assert!((low..=high).contains(&grid.between(bytes, |step| grid.log(step))), "{bandwidth} {bytes}");
            }
        }
    }

    #[test]
    fn far_from_all_places_the_mean_is_left() {
        let points = [point(1_000, 1, 60.0), point(1_100, 3, 80.0)];
        assert!((time_at(&points, 1_000_000_000, 0.1).unwrap() - 75.0).abs() < 1e-9);
        assert_eq!(time_at(&[], 5, 0.1), None);
        assert!(time_at(&[point(0, 1, 5.0)], 0, 0.1).is_some());
    }
}
