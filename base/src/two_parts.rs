//! Least squares of relative errors of `whole = a · sum + b · count`.

/// Something measured as a whole, with the sum and the number of its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Whole {
    /// Measured at once.
    pub whole: f64,
    /// Sum of the parts.
    pub sum: f64,
    /// How many parts.
    pub count: f64,
}

/// Smallest determinant, relative to its largest possible value: if all wholes have one ratio of sum to count, `a` and
/// `b` cannot be separated.
const INDEPENDENT: f64 = 1e-9;

/// The factor `a` of the sum and the constant `b` of each part; `None` if they cannot be separated, or if the factor is
/// not positive.
#[must_use]
pub fn two_parts(wholes: &[Whole]) -> Option<(f64, f64)> {
    let (mut ss, mut sn, mut nn, mut s, mut n) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for Whole { whole, sum, count } in wholes {
        let (sum, count) = (sum / whole, count / whole);
        ss += sum * sum;
        sn += sum * count;
        nn += count * count;
        s += sum;
        n += count;
    }
    let determinant = ss * nn - sn * sn;
    if determinant.is_nan() || determinant <= INDEPENDENT * ss * nn {
        return None;
    }
    let (a, b) = ((s * nn - n * sn) / determinant, (n * ss - s * sn) / determinant);
    (a.is_finite() && b.is_finite() && a > 0.0).then_some((a, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_are_found() {
        let whole = |sum: f64, count: f64| Whole { whole: 0.9 * sum - 2.0 * count, sum, count };
        let (a, b) = two_parts(&[whole(300.0, 50.0), whole(310.0, 40.0), whole(280.0, 60.0)]).unwrap();
        assert!((a - 0.9).abs() < 1e-9 && (b + 2.0).abs() < 1e-9, "{a} {b}");
    }

    #[test]
    fn what_is_all_of_one_kind_tells_nothing() {
        let one = Whole { whole: 1.0, sum: 2.0, count: 3.0 };
        assert_eq!(two_parts(&[one; 5]), None);
        assert_eq!(two_parts(&[]), None);
        assert_eq!(two_parts(&[Whole { whole: 0.0, ..one }, one]), None);
    }
}
