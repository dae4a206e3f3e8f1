//! Statistics by ranks.

use crate::statistics::mean;

/// The rank of each value; the lowest has rank 1, equal values share their mean rank, and NaN comes last.
#[must_use]
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let key = |i: usize| (values[i].is_nan(), values[i]);
    order.sort_by(|&i, &j| key(i).0.cmp(&key(j).0).then(key(i).1.total_cmp(&key(j).1)));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        // At least one: a NaN does not equal itself.
        let equal = order[start..].iter().take_while(|&&i| values[i] == values[order[start]]).count().max(1);
        let end = start + equal;
        for &i in &order[start..end] {
            ranks[i] = (start + end + 1) as f64 / 2.0;
        }
        start = end;
    }
    ranks
}

/// Spearman's rank correlation with average ranks for ties; `None` below two values or without variation.
#[must_use]
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let (ra, rb) = (ranks(a), ranks(b));
    let (ma, mb) = (mean(&ra)?, mean(&rb)?);
    let covariance: f64 = ra.iter().zip(&rb).map(|(x, y)| (x - ma) * (y - mb)).sum();
    let (va, vb): (f64, f64) = (ra.iter().map(|x| (x - ma).powi(2)).sum(), rb.iter().map(|y| (y - mb).powi(2)).sum());
    (a.len() == b.len() && va > 0.0 && vb > 0.0).then(|| covariance / (va * vb).sqrt())
}

/// Kendall's rank correlation with ties (tau-b); `None` below two values or without variation.
#[must_use]
pub fn kendall(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() {
        return None;
    }
    let (mut sum, mut differ_in_a, mut differ_in_b) = (0.0, 0.0, 0.0);
    for i in 0..a.len() {
        for j in 0..i {
            let sign = |values: &[f64]| f64::from(values[i].total_cmp(&values[j]) as i8);
            let (x, y) = (sign(a), sign(b));
            sum += x * y;
            differ_in_a += x.abs();
            differ_in_b += y.abs();
        }
    }
    let scale: f64 = (differ_in_a * differ_in_b).sqrt();
    (scale > 0.0).then(|| sum / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_mean_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 2.0, 2.0, -0.0, 0.0]), [6.0, 3.0, 4.5, 4.5, 1.5, 1.5]);
        assert_eq!(ranks(&[f64::NAN, 1.0, -f64::NAN, f64::INFINITY]), [4.0, 1.0, 3.0, 2.0]);
        assert!(ranks(&[]).is_empty());
    }

    #[test]
    fn rank_correlation() {
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[10.0, 100.0, 1000.0]), Some(1.0));
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        let tied = spearman(&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((tied - 0.948_683).abs() < 1e-6);
    }

    #[test]
    fn kendall_counts_pairs() {
        // Five of six pairs agree and one does not: (5 - 1) / 6.
        let tau = kendall(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 4.0, 3.0]).unwrap();
        assert!((tau - 4.0 / 6.0).abs() < 1e-12, "{tau}");
        // One pair is equal in one of the series: 5 / sqrt(6 * 5).
        let tau = kendall(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 3.0]).unwrap();
        assert!((tau - 5.0 / 30.0_f64.sqrt()).abs() < 1e-12, "{tau}");
        assert_eq!(kendall(&[1.0, 2.0], &[2.0, 1.0]), Some(-1.0));
        assert_eq!((kendall(&[1.0], &[1.0]), kendall(&[1.0, 1.0], &[1.0, 2.0])), (None, None));
    }
}
