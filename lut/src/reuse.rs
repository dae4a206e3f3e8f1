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

/// Occurrences more bandwidths away than this have a weight below 1e-24, which changes no bit of a sum that begins with
/// [`PRIOR_OCCURRENCES`].
const FAR: f64 = 10.6;

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
    points: Vec<[f64; 3]>,
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

    /// The expected time at a distance, nanoseconds.
    pub(crate) fn time_at(&self, bytes: u64, bandwidth: f64) -> f64 {
        let at = log(bytes);
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
            assert_eq!(curve.time_at(bytes, bandwidth).to_bits(), (all.1 / all.0).to_bits(), "{bytes} {bandwidth}");
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
