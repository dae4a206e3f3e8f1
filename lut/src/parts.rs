//! Calibration by parts: the overhead of each layer beside its own time.
//!
//! A timer, a CUDA event or a profiler between layers takes a constant time that every layer's entry includes and a
//! plain run does not. A runtime may also spend a constant time on each layer that no entry includes. Both appear when
//! a network's whole time is compared with the sum of its layers and their number: `whole = a · sum + b · layers`. A
//! negative `b` is subtracted from the rows, so that they hold the layer alone. A positive `b` is added in estimates of
//! networks. The error of left-out networks decides between this form and simpler ones. The calibration does not depend
//! on the back end: it needs runs with marks between the layers and plain runs of the same networks in the journal.

use nasprof_base::statistics::{mean, student_t_95};
use nasprof_base::{Whole, two_parts};
use serde::{Deserialize, Serialize};

use crate::{Row, Times};

/// Fewest networks for fitting a constant.
const FEWEST: usize = 8;
/// A form with more parts must predict left-out networks this much better: it is always a little better by luck.
const WORTH_IT: f64 = 0.9;
/// And by this much of a network's time: gains of fractions of a thousandth, as on a quiet machine, do not show a
/// timer.
const WORTH_AT_LEAST: f64 = 0.001;
/// And the constant must be this many half-widths of its interval away from zero.
const CERTAIN: f64 = 3.0;
/// Maximum share of the shortest row to subtract: a layer takes some time. The excess of the layers over the plain run
/// is a limit as well: timers make the sum longer; if it is not longer, a negative constant reflects the networks'
/// sizes.
const MOST: f64 = 0.9;
/// The same for any of its quantiles.
const MOST_OF_QUANTILE: f64 = 0.95;

/// The parts of a calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationForm {
    /// `whole = a · sum`.
    Scale,
    /// `whole = sum + b · layers`.
    Constant,
    /// `whole = a · sum + b · layers`.
    ScaleAndConstant,
}

impl CalibrationForm {
    /// The simplest first.
    const ALL: [Self; 3] = [Self::Scale, Self::Constant, Self::ScaleAndConstant];

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Scale => "a x sum",
            Self::Constant => "sum + b x layers",
            Self::ScaleAndConstant => "a x sum + b x layers",
        }
    }
}

/// The overhead of each layer beside its entry, in the units of the sum: before the scale.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) form: CalibrationForm,
    /// Nanoseconds per layer; negative for timers.
    pub(crate) layer_ns: f64,
    /// Half of its 95 % interval.
    pub(crate) half_width_ns: f64,
    /// The same from all networks but one, for each network.
    pub(crate) left_out_ns: Vec<f64>,
}

impl Parts {
    /// No constant, for this number of networks.
    pub(crate) fn nothing(networks: usize) -> Self {
        let left_out_ns = vec![0.0; networks];
        Self { form: CalibrationForm::Scale, layer_ns: 0.0, half_width_ns: 0.0, left_out_ns }
    }

    /// The form that predicts left-out networks best. A constant that would leave nothing of the shortest row is
    /// limited.
    pub(crate) fn fit(networks: &[Whole], shortest_ns: f64) -> Self {
        let nothing = Self::nothing(networks.len());
        if networks.len() < FEWEST {
            return nothing;
        }
        let mut best: Option<(CalibrationForm, f64)> = None;
        for form in CalibrationForm::ALL {
            let error = left_out_error(form, networks);
            if best.is_none_or(|(_, least)| error < WORTH_IT * least && error < least - WORTH_AT_LEAST) {
                best = Some((form, error));
            }
        }
        let Some((form, _)) = best.filter(|(form, error)| *form != CalibrationForm::Scale && error.is_finite()) else {
            return nothing;
        };
        let constant = |networks: &[Whole]| {
            let (a, b) = solve(form, networks)?;
            let most = beyond_plain(networks)?.min(MOST * shortest_ns);
            Some((b / a).max(-most)).filter(|ns| ns.is_finite())
        };
        let all = (0..networks.len()).map(|i| constant(&without(networks, i))).collect::<Option<Vec<f64>>>();
        let (Some(layer_ns), Some(left_out_ns)) = (constant(networks), all) else { return nothing };
        let n = networks.len() as f64;
        let center = mean(&left_out_ns).unwrap_or(layer_ns);
        // The jackknife's standard error (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 11).
        let variance = (n - 1.0) / n * left_out_ns.iter().map(|ns| (ns - center).powi(2)).sum::<f64>();
        let half_width_ns = student_t_95(networks.len() - 2) * variance.sqrt();
        if layer_ns == 0.0 || layer_ns.abs() < CERTAIN * half_width_ns {
            return nothing;
        }
        Self { form, layer_ns, half_width_ns, left_out_ns }
    }

    /// The time to subtract from every row.
    pub(crate) fn timer_ns(&self) -> f64 {
        (-self.layer_ns).max(0.0)
    }

    /// The time to add for every layer of a network.
    pub(crate) fn added_ns(&self) -> f64 {
        self.layer_ns.max(0.0)
    }

    /// Subtracts the timer from a row, and adds the timer's uncertainty to its interval.
    pub(crate) fn take_off(&self, row: &mut Row) {
        let timer = self.timer_ns();
        let Some(times) = row.times.as_mut().filter(|_| timer > 0.0) else { return };
        let off = |ns: f64| (ns - timer).max((1.0 - MOST_OF_QUANTILE) * ns);
        let Times { mean_ns, median_ns, min_ns, p10_ns, p25_ns, p75_ns, p90_ns, ci_low_ns, ci_high_ns, .. } = times;
        *mean_ns = off(*mean_ns);
        for value in [median_ns, min_ns, p10_ns, p25_ns, p75_ns, p90_ns, ci_low_ns, ci_high_ns] {
            *value = value.map(off);
        }
        times.sessions_ns.iter_mut().for_each(|ns| *ns = off(*ns));
        times.reuse.iter_mut().for_each(|point| point.mean_ns = off(point.mean_ns));
        times.widen(self.half_width_ns / times.mean_ns);
    }
}

/// The shortest time from which a timer may be subtracted.
pub(crate) fn shortest_ns(rows: &[Row]) -> f64 {
    let times = rows.iter().filter_map(|row| row.times.as_ref());
    times.map(|times| times.mean_ns).fold(f64::INFINITY, f64::min)
}

/// The excess of a layer in the sum over its part of the plain run, as the mean over networks; 0 if there is none.
fn beyond_plain(networks: &[Whole]) -> Option<f64> {
    let beyond: Vec<f64> = networks.iter().map(|n| (n.sum - n.whole) / n.count).collect();
    Some(mean(&beyond)?.max(0.0))
}

fn without(networks: &[Whole], i: usize) -> Vec<Whole> {
    [&networks[..i], &networks[i + 1..]].concat()
}

/// Root mean square of the relative errors of networks predicted from the others; infinite if a fit fails.
fn left_out_error(form: CalibrationForm, networks: &[Whole]) -> f64 {
    let square = |i: usize| {
        let (a, b) = solve(form, &without(networks, i))?;
        let left = networks[i];
        Some((1.0 - (a * left.sum + b * left.count) / left.whole).powi(2))
    };
    let squares: Option<Vec<f64>> = (0..networks.len()).map(square).collect();
    squares.and_then(|squares| mean(&squares)).map_or(f64::INFINITY, f64::sqrt)
}

/// Least squares of relative errors; `None` if a factor is not positive.
fn solve(form: CalibrationForm, networks: &[Whole]) -> Option<(f64, f64)> {
    let over = |of: fn(&Whole) -> f64| networks.iter().map(|n| of(n) / n.whole).sum::<f64>();
    let (a, b) = match form {
        CalibrationForm::Scale => (over(|n| n.sum) / over(|n| n.sum * n.sum / n.whole), 0.0),
        CalibrationForm::Constant => {
            let rest = over(|n| n.count) - over(|n| n.sum * n.count / n.whole);
            (1.0, rest / over(|n| n.count * n.count / n.whole))
        }
        CalibrationForm::ScaleAndConstant => two_parts(networks)?,
    };
    (a.is_finite() && b.is_finite() && a > 0.0).then_some((a, b))
}

/// How the parts of the measured networks add up: nanoseconds of one run, as means over the networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reconciliation {
    /// Networks measured whole.
    pub networks: usize,
    /// Their layers.
    pub layers: f64,
    /// Sum of the layers alone, as in the rows.
    pub sum_ns: f64,
    /// A run with timers between the layers: the sum plus the subtracted time.
    pub timed_ns: f64,
    /// A plain run.
    pub plain_ns: f64,
    /// The time subtracted from each layer.
    pub timer_ns: f64,
    /// The time added for each layer, before the scale.
    pub layer_ns: f64,
    /// How sums become whole networks.
    pub form: CalibrationForm,
}

impl Reconciliation {
    /// From networks whose layers had this much subtracted before any fit.
    pub(crate) fn with_marks(self, timer_ns: Option<f64>) -> Self {
        let Some(mark_ns) = timer_ns else { return self };
        Self {
            timer_ns: self.timer_ns + mark_ns,
            timed_ns: self.timed_ns + mark_ns * self.layers,
            form: CalibrationForm::ScaleAndConstant,
            ..self
        }
    }

    /// From networks whose sums still include the timers.
    pub(crate) fn of(networks: &[Whole], parts: &Parts) -> Option<Self> {
        let over = |of: fn(&Whole) -> f64| mean(&networks.iter().map(of).collect::<Vec<_>>());
        let (layers, timed_ns) = (over(|n| n.count)?, over(|n| n.sum)?);
        Some(Self {
            networks: networks.len(),
            layers,
            sum_ns: timed_ns - layers * parts.timer_ns(),
            timed_ns,
            plain_ns: over(|n| n.whole)?,
            timer_ns: parts.timer_ns(),
            layer_ns: parts.added_ns(),
            form: parts.form,
        })
    }
}

#[cfg(test)]
mod tests {
    use nasprof_base::statistics::standard_deviation;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Networks whose layers' entries include `timer` each, and whose runtime spends another `own` on each.
    fn networks(seed: u64, count: usize, timer: f64, own: f64, noise: f64) -> Vec<Whole> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let network = |_| {
            let layers = (60.0 + 8.0 * normal()).round();
            let alone = layers * 3000.0 * (0.15 * normal()).exp();
            let whole = (0.9 * alone + own * layers) * (noise * normal()).exp();
            Whole { whole, sum: alone + timer * layers, count: layers }
        };
        (0..count).map(network).collect()
    }

    fn predicted(parts: &Parts, holdout: &[Whole]) -> f64 {
        let log = |n: &Whole| (n.whole / (n.sum + parts.layer_ns * n.count)).ln();
        standard_deviation(&holdout.iter().map(log).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_cost_of_events_is_found_and_taken_off() {
        for seed in 0..10 {
            let parts = Parts::fit(&networks(seed, 30, 2183.0, 0.0, 0.004), 2500.0);
            assert_eq!(parts.form, CalibrationForm::ScaleAndConstant);
            assert!((parts.timer_ns() - 2183.0).abs() < 1.5 * parts.half_width_ns, "{parts:?}");
            assert!(parts.half_width_ns < 150.0 && parts.added_ns() == 0.0, "{parts:?}");
            // Control: a factor alone predicts new networks worse.
            let holdout = networks(seed + 100, 200, 2183.0, 0.0, 0.0);
            let scale = Parts { layer_ns: 0.0, ..parts.clone() };
            assert!(predicted(&parts, &holdout) < 0.3 * predicted(&scale, &holdout));
        }
    }

    #[test]
    fn what_a_runtime_spends_beside_the_layers_is_added_and_no_row_is_touched() {
        let parts = Parts::fit(&networks(1, 30, 0.0, 900.0, 0.004), 2500.0);
        assert!((parts.added_ns() - 1000.0).abs() < 2.0 * parts.half_width_ns, "{parts:?}");
        assert_eq!(parts.timer_ns(), 0.0);
    }

    #[test]
    fn noise_is_no_constant_and_few_networks_have_none() {
        let found = (0..100)
            .filter(|&seed| Parts::fit(&networks(seed, 30, 0.0, 0.0, 0.01), 2500.0).form != CalibrationForm::Scale);
        let found = found.count();
        assert!(found <= 12, "{found} of 100");
        assert_eq!(Parts::fit(&networks(1, FEWEST - 1, 2183.0, 0.0, 0.0), 2500.0).layer_ns, 0.0);
        // Networks that are all alike.
        let alike = vec![Whole { whole: 2e5, sum: 3e5, count: 50.0 }; 30];
        assert_eq!(Parts::fit(&alike, 2500.0).form, CalibrationForm::Scale);
    }

    /// Large networks have less of the caches than their layers had. A factor above 1 and a negative constant fit that
    /// well, but no timer made the sum longer.
    #[test]
    fn what_sizes_do_is_not_taken_for_a_timer() {
        let mut sized = networks(1, 30, 0.0, 0.0, 0.002);
        sized.iter_mut().for_each(|n| n.whole = 1.2 * n.sum - 600.0 * n.count);
        assert!(sized.iter().all(|n| n.sum < n.whole * 1.06));
        let (a, b) = solve(CalibrationForm::ScaleAndConstant, &sized).unwrap();
        assert!((a - 1.2).abs() < 1e-6 && (b + 600.0).abs() < 1e-3, "{a} {b}");
        let parts = Parts::fit(&sized, 2500.0);
        assert!(parts.timer_ns() <= beyond_plain(&sized).unwrap(), "{parts:?}");
        assert!(parts.timer_ns() < 100.0, "{parts:?}");
        // Control: with that much more in every entry, a timer is found.
        sized.iter_mut().for_each(|n| n.sum += 2000.0 * n.count);
        assert!(Parts::fit(&sized, 4500.0).timer_ns() > 1500.0);
    }

    #[test]
    fn something_is_left_of_the_shortest_row() {
        let parts = Parts::fit(&networks(1, 30, 2183.0, 0.0, 0.001), 2000.0);
        assert!((parts.timer_ns() - 1800.0).abs() < 1e-9, "{parts:?}");
        assert!(parts.left_out_ns.iter().all(|ns| *ns >= -1800.0));
    }
}
