//! Histograms as `HistogramProto`.

use super::schema::HistogramProto;

/// Number of buckets to which TensorBoard itself resamples.
const BUCKETS: usize = 30;

/// Buckets of equal width from the smallest to the largest of `values`, all finite and at least one.
pub(super) fn histogram(values: &[f64]) -> HistogramProto {
    let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let (bucket_limit, bucket) =
        if low == high { (vec![high], vec![values.len() as f64]) } else { buckets(values, low, high) };
    HistogramProto {
        min: low,
        max: high,
        num: values.len() as f64,
        sum: values.iter().sum(),
        sum_squares: values.iter().map(|v| v * v).sum(),
        bucket_limit,
        bucket,
    }
}

/// Upper limits and counts.
fn buckets(values: &[f64], low: f64, high: f64) -> (Vec<f64>, Vec<f64>) {
    // Interpolated instead of `low + i * width`: the width between two large values may overflow a float.
    let share = |i: usize| i as f64 / BUCKETS as f64;
    let mut limits: Vec<f64> = (1..=BUCKETS).map(|i| low * (1.0 - share(i)) + high * share(i)).collect();
    limits[BUCKETS - 1] = high;
    let mut counts = vec![0.0; BUCKETS];
    for value in values {
        let bucket = limits.partition_point(|limit| limit < value);
        counts[bucket.min(BUCKETS - 1)] += 1.0;
    }
    (limits, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_once_where_it_belongs() {
        let values: Vec<f64> = (0..=300).map(f64::from).collect();
        let (limits, counts) = buckets(&values, 0.0, 300.0);
        assert_eq!(counts.iter().sum::<f64>(), 301.0);
        // The limit belongs to its bucket, and 0 to the first.
        assert_eq!((counts[0], counts[1], counts[29]), (11.0, 10.0, 10.0));
        assert_eq!((limits[0], limits[29]), (10.0, 300.0));
    }

    #[test]
    fn extreme_values_keep_their_limits_finite() {
        let (limits, counts) = buckets(&[-f64::MAX, f64::MAX], -f64::MAX, f64::MAX);
        assert!(limits.iter().all(|l| l.is_finite()) && limits.is_sorted());
        assert_eq!(counts.iter().sum::<f64>(), 2.0);
    }
}
