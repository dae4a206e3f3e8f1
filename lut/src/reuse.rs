//! A layer's time by how warm it finds the caches.
//!
//! A layer is timed at many places, and its time differs from place to place in a way that repeats: see
//! [`nasprof_graph::reuse`]. The LUT keeps the places' means beside their distances, and an estimate weighs the places
//! by how near their distance is to the one asked for (a kernel regression, Nadaraya 1964 and Watson 1964, on the
//! logarithm of the distance). No size of a cache has to be known.

use serde::{Deserialize, Serialize};

/// Bandwidths that are tried, in units of the natural logarithm of the distance.
pub(crate) const BANDWIDTHS: [f64; 4] = [0.4, 0.2, 0.1, 0.05];

/// Places that the mean over all places counts for: it steadies a value that few places are near to.
const PRIOR_PLACES: f64 = 0.3;

/// What a layer took at places of one reuse distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReusePoint {
    /// The distance ([`nasprof_graph::LoweredLayer::reuse_bytes`]), bytes.
    pub bytes: u64,
    /// Number of places.
    pub places: u64,
    /// Mean of the places' trimmed means, nanoseconds.
    pub mean_ns: f64,
}

/// The expected time at a distance, nanoseconds; `None` without points.
pub(crate) fn time_at(points: &[ReusePoint], bytes: u64, bandwidth: f64) -> Option<f64> {
    // One byte more, so that a layer which directly follows its kind has a logarithm.
    let log = |bytes: u64| (bytes as f64 + 1.0).ln();
    let (mut weights, mut times) = (0.0, 0.0);
    let (mut all_weights, mut all_times) = (0.0, 0.0);
    for point in points {
        let places = point.places as f64;
        let weight = places * (-0.5 * ((log(point.bytes) - log(bytes)) / bandwidth).powi(2)).exp();
        weights += weight;
        times += weight * point.mean_ns;
        all_weights += places;
        all_times += places * point.mean_ns;
    }
    (all_weights > 0.0).then(|| (times + PRIOR_PLACES * all_times / all_weights) / (weights + PRIOR_PLACES))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(bytes: u64, places: u64, mean_ns: f64) -> ReusePoint {
        ReusePoint { bytes, places, mean_ns }
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

    #[test]
    fn far_from_all_places_the_mean_is_left() {
        let points = [point(1_000, 1, 60.0), point(1_100, 3, 80.0)];
        assert!((time_at(&points, 1_000_000_000, 0.1).unwrap() - 75.0).abs() < 1e-9);
        assert_eq!(time_at(&[], 5, 0.1), None);
        assert!(time_at(&[point(0, 1, 5.0)], 0, 0.1).is_some());
    }
}
