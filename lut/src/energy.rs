//! Energy of layers and networks: measured and estimated.

use nasprof_base::statistics::{mean, median, standard_deviation, student_t_95};
use nasprof_profiler::protocol::Energy as Counted;
use serde::{Deserialize, Serialize};

/// Fewest anchors with a measured energy for relating a sum of layers to a network.
const MIN_ANCHORS: usize = 4;

/// Energy of one call, in millijoules: all that the meter counts, idle power included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Energy {
    /// Median of the windows.
    pub energy_mj: f64,
    /// The smallest window. The range of five windows in a row is not a confidence interval.
    pub energy_low_mj: f64,
    /// The largest window.
    pub energy_high_mj: f64,
    /// The part that idling for the same time would have taken.
    pub energy_idle_mj: f64,
    /// Resolution of the meter, per call.
    pub energy_resolution_mj: f64,
    /// What was counted and how.
    pub energy_method: String,
}

impl Energy {
    /// From the counted windows; `None` if a window has no positive number: that does not mean zero energy.
    #[must_use]
    pub(crate) fn of(counted: &Counted) -> Option<Self> {
        let per_call = counted.windows.iter().map(|w| w.microjoules / w.calls as f64 / 1e3).collect::<Vec<_>>();
        let time_ns = counted.windows.iter().map(|w| w.nanoseconds as f64 / w.calls as f64).collect::<Vec<_>>();
        let sound = |v: &f64| v.is_finite() && *v > 0.0;
        let figures = [counted.idle_milliwatts, counted.resolution_microjoules];
        if !per_call.iter().chain(&time_ns).all(sound) || !figures.iter().all(|v| v.is_finite() && *v >= 0.0) {
            return None;
        }
        Some(Self {
            energy_mj: median(&per_call)?,
            energy_low_mj: per_call.iter().copied().reduce(f64::min)?,
            energy_high_mj: per_call.iter().copied().reduce(f64::max)?,
            energy_idle_mj: counted.idle_milliwatts * median(&time_ns)? / 1e9,
            energy_resolution_mj: counted.resolution_microjoules / 1e3,
            energy_method: counted.method.clone(),
        })
    }
}

/// Mean power in watts: energy over time, median of the windows. `None` where the energy has no number.
pub(crate) fn power_w(counted: &Counted) -> Option<f64> {
    Energy::of(counted)?;
    // A microjoule in a nanosecond is a kilowatt.
    median(&counted.windows.iter().map(|w| w.microjoules / w.nanoseconds as f64 * 1e3).collect::<Vec<_>>())
}

/// Energy of one call of a network that was not measured, in millijoules. Present only if the energy of
/// every layer was counted, all in one way: a partial sum would be a plausible wrong number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnergyEstimate {
    /// The sum times `scale`, if that is known.
    pub energy_mj: f64,
    /// 95 % interval, from the scatter of the anchors around the scale; absent without a scale.
    pub interval_mj: Option<[f64; 2]>,
    /// Sum of the layers, each counted alone with its weights in the cache.
    pub sum_mj: f64,
    /// Whole networks over the sums of their layers, from the anchors; absent with fewer than four of them.
    pub scale: Option<f64>,
    /// Resolution of the meter, added up over the layers.
    pub resolution_mj: f64,
    /// What was counted and how.
    pub method: String,
}

/// How sums of layers relate to whole networks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct EnergyScale {
    scale: f64,
    /// Half-width of the interval for one more network, as a logarithm.
    half_width: f64,
}

impl EnergyScale {
    /// From networks that were counted whole and layer by layer: millijoules of the whole, and of the sum of its layers.
    pub(crate) fn fit(networks: impl Iterator<Item = (f64, f64)>) -> Option<Self> {
        let logs = networks.map(|(whole, sum)| (whole / sum).ln());
        let ratios: Vec<f64> = logs.filter(|ratio| ratio.is_finite()).collect();
        let n = ratios.len();
        if n < MIN_ANCHORS {
            return None;
        }
        let spread = standard_deviation(&ratios)? * (1.0 + 1.0 / n as f64).sqrt();
        Some(Self { scale: mean(&ratios)?.exp(), half_width: student_t_95(n - 1) * spread })
    }
}

impl EnergyEstimate {
    /// Energy of a network with these layers; `None` if one has no energy, or was counted in another way than the
    /// others.
    pub(crate) fn of<'a>(layers: impl Iterator<Item = Option<&'a Energy>>, scale: Option<EnergyScale>) -> Option<Self> {
        let layers: Vec<&Energy> = layers.collect::<Option<_>>()?;
        let method = &layers.first()?.energy_method;
        if layers.iter().any(|layer| layer.energy_method != *method) {
            return None;
        }
        let sum_mj: f64 = layers.iter().map(|layer| layer.energy_mj).sum();
        let energy_mj = sum_mj * scale.map_or(1.0, |s| s.scale);
        Some(Self {
            energy_mj,
            interval_mj: scale.map(|s| [energy_mj * (-s.half_width).exp(), energy_mj * s.half_width.exp()]),
            sum_mj,
            scale: scale.map(|s| s.scale),
            resolution_mj: layers.iter().map(|layer| layer.energy_resolution_mj).sum(),
            method: method.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use nasprof_profiler::protocol::EnergyWindow;

    use super::*;

    /// Twice 300 mJ in 2 s; a window without energy has no power.
    #[test]
    fn power_is_energy_over_time() {
        let window = |microjoules: f64| EnergyWindow { calls: 10, microjoules, nanoseconds: 2_000_000_000 };
        let counted = |windows: Vec<EnergyWindow>| Counted {
            windows,
            idle_milliwatts: 10.0,
            resolution_microjoules: 1.0,
            method: "simulated counter".to_owned(),
        };
        let watts = power_w(&counted(vec![window(3e5), window(3e5)])).unwrap();
        assert!((watts - 0.15).abs() < 1e-12, "{watts}");
        assert_eq!(power_w(&counted(vec![window(3e5), window(0.0)])), None);
    }

    fn energy(energy_mj: f64, method: &str) -> Energy {
        Energy {
            energy_mj,
            energy_low_mj: energy_mj,
            energy_high_mj: energy_mj,
            energy_idle_mj: 0.0,
            energy_resolution_mj: 0.25,
            energy_method: method.to_owned(),
        }
    }

    #[test]
    fn a_sum_needs_every_layer_in_one_way_of_counting() {
        let (a, b, other) = (energy(1.0, "rapl"), energy(2.0, "rapl"), energy(2.0, "rails"));
        let scale = Some(EnergyScale { scale: 0.5, half_width: 2.0_f64.ln() });
        let estimate = EnergyEstimate::of([Some(&a), Some(&b)].into_iter(), scale).unwrap();
        assert!((estimate.energy_mj - 1.5).abs() < 1e-12 && (estimate.sum_mj - 3.0).abs() < 1e-12);
        let [low, high] = estimate.interval_mj.unwrap();
        assert!((low - 0.75).abs() < 1e-12 && (high - 3.0).abs() < 1e-12);
        assert!((estimate.resolution_mj - 0.5).abs() < 1e-12 && estimate.method == "rapl");
        let plain = EnergyEstimate::of([Some(&a), Some(&b)].into_iter(), None).unwrap();
        assert!(plain.energy_mj == plain.sum_mj && plain.interval_mj.is_none() && plain.scale.is_none());
        assert_eq!(EnergyEstimate::of([Some(&a), None].into_iter(), None), None);
        assert_eq!(EnergyEstimate::of([Some(&a), Some(&other)].into_iter(), None), None);
        assert_eq!(EnergyEstimate::of(std::iter::empty(), None), None);
    }
}
