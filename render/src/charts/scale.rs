//! Axes: from values to positions, with ticks at round numbers.

use nasprof_base::text::si_rounded;

/// The kind of an axis, which decides its ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Linear,
    /// Linear, with ticks at whole numbers only.
    Counted,
    Logarithmic,
}

/// A linear or logarithmic axis from `low` to `high`, drawn from `from` to `to`.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    kind: Kind,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A linear axis that contains all values; a single value is in its middle.
    pub fn linear(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = range(values.into_iter().filter(|v| v.is_finite())).unwrap_or((0.0, 1.0));
        let margin = match high - low {
            0.0 if high == 0.0 => 1.0,
            0.0 => high.abs() * 0.1,
            _ => (high / 2.0 - low / 2.0) * 0.08,
        };
        // Values that are never negative get no negative part of the axis.
        let bottom = if low >= 0.0 { (low - margin).max(0.0) } else { low - margin };
        Self { kind: Kind::Linear, low: bottom, high: high + margin, from, to }
    }

    /// As [`Self::linear`], for counts: only whole numbers are ticks.
    pub fn counted(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        Self { kind: Kind::Counted, ..Self::linear(values, from, to) }
    }

    /// A linear axis with these ends.
    pub fn between(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { kind: Kind::Linear, low, high: if high > low { high } else { low + 1.0 }, from, to }
    }

    /// A logarithmic axis that contains all positive values.
    pub fn logarithmic(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = range(values.into_iter().filter(|v| v.is_finite() && *v > 0.0)).unwrap_or((1.0, 10.0));
        Self { kind: Kind::Logarithmic, low: low / 1.25, high: high * 1.25, from, to }
    }

    /// The ends of the axis.
    pub fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Position of a value; a value outside is drawn at the end.
    pub fn at(&self, value: f64) -> f64 {
        self.at_share(self.share(value).clamp(0.0, 1.0))
    }

    /// Position of a value relative to the ends: from 0 to 1 between them.
    pub(super) fn share(&self, value: f64) -> f64 {
        if self.kind == Kind::Logarithmic {
            (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// Position of a share.
    pub(super) fn at_share(&self, share: f64) -> f64 {
        self.from + share * (self.to - self.from)
    }

    /// Round values within the axis.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let values = match self.kind {
            Kind::Logarithmic => logarithmic_ticks(self.low, self.high),
            Kind::Linear => linear_ticks(self.low, self.high),
            Kind::Counted => linear_ticks(self.low, self.high).into_iter().filter(|v| v.fract() == 0.0).collect(),
        };
        // As many digits as neighbours need to differ.
        let labels = |digits: i32| values.iter().map(|v| si_rounded(*v, digits)).collect::<Vec<_>>();
        let apart = |labels: &Vec<String>| labels.windows(2).all(|pair| pair[0] != pair[1]);
        let labels = (3..=9).map(labels).find(apart).unwrap_or_else(|| labels(9));
        values.into_iter().zip(labels).collect()
    }
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, v| Some(range.map_or((v, v), |(l, h): (f64, f64)| (l.min(v), h.max(v)))))
}

/// About five multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64) -> Vec<f64> {
    let span = high - low;
    if !(span.is_finite() && span > 0.0) {
        return Vec::new();
    }
    let power = 10_f64.powf((span / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| span / s <= 8.0).unwrap_or(power * 10.0);
    let first = (low / step).ceil();
    // Multiples instead of sums: errors would add up and 0.30000000000000004 would be a label.
    (0..=8)
        .map(|i| (first + f64::from(i)) * step)
        .take_while(|v| *v <= high)
        .map(|v| if v == 0.0 { 0.0 } else { v })
        .collect()
}

/// Powers of ten, and 2 and 5 times them if there is room.
fn logarithmic_ticks(low: f64, high: f64) -> Vec<f64> {
    // Within a factor of four the axis is nearly linear, and would have hardly a power of ten.
    if high / low < 4.0 {
        return linear_ticks(low, high);
    }
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let every = ((last - first) / 6).max(1);
    let factors: &[f64] = match high / low {
        ratio if ratio < 50.0 => &[1.0, 2.0, 5.0],
        ratio if ratio < 1000.0 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let powers = (first..=last).filter(|p| p % every == 0);
    let all = powers.flat_map(|p| factors.iter().map(move |f| f * 10_f64.powi(p)));
    all.filter(|v| (low..=high).contains(v)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(linear_ticks(0.0, 1.0), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(linear_ticks(-3.0, 7.0), [-2.0, 0.0, 2.0, 4.0, 6.0]);
        assert_eq!(logarithmic_ticks(1.0, 2.0), linear_ticks(1.0, 2.0));
        assert_eq!(logarithmic_ticks(0.5, 30.0), [1.0, 3.0, 10.0, 30.0]);
        for (low, high) in [(1e-9, 1e9), (3.0, 4.0), (-1e300, 1e300), (1.0, 1.0)] {
            assert!(
                linear_ticks(low, high).len() < 12 && linear_ticks(low, high).iter().all(|t| (low..=high).contains(t))
            );
        }
    }

    #[test]
    fn axes_claim_no_more_than_there_is() {
        let labels = |scale: Scale| scale.ticks().into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(labels(Scale::counted([0.0, 2.0], 0.0, 1.0)), ["0", "1", "2"]);
        assert!(labels(Scale::linear([0.0, 2.0], 0.0, 1.0)).contains(&"0.5".to_owned()));
        assert_eq!(labels(Scale::between(0.9867, 0.9891, 0.0, 1.0)), ["0.987", "0.9875", "0.988", "0.9885", "0.989"]);
        assert_eq!(Scale::linear([0.0, 0.0], 0.0, 1.0).ends(), (0.0, 1.0));
        assert_eq!(Scale::linear([0.1, 8.0], 0.0, 1.0).ends().0, 0.0);
        assert!(Scale::linear([-1.0, 8.0], 0.0, 1.0).ends().0 < -1.0);
    }

    #[test]
    fn positions_follow_the_values_and_stay_on_the_axis() {
        let linear = Scale::between(0.0, 10.0, 100.0, 0.0);
        assert_eq!((linear.at(0.0), linear.at(5.0), linear.at(99.0)), (100.0, 50.0, 0.0));
        let log = Scale::logarithmic([1.0, 100.0], 0.0, 1.0);
        assert!((log.at(10.0) - 0.5).abs() < 1e-9);
        for odd in
            [Scale::linear([], 0.0, 1.0), Scale::linear([f64::NAN, 3.0], 0.0, 1.0), Scale::logarithmic([0.0], 0.0, 1.0)]
        {
            assert!(odd.at(3.0).is_finite() && odd.at(0.0).is_finite());
        }
    }
}
