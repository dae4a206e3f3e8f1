//! Calibration: from the sum of a network's layers to the network's latency and its uncertainty.

use nasprof_base::statistics::{mean, student_t_95};
use serde::{Deserialize, Serialize};

use crate::variance::{Variance, VariancePrior};
use crate::{Anchor, SizeEffect};

/// Two-sided 95 % quantile of the normal distribution.
const NORMAL_95: f64 = 1.96;
/// Fewest networks for a calibration.
const MIN_NETWORKS: usize = 4;
/// How much the level differs from one occasion to another. On a shared virtual machine ten processes within ten minutes had
/// a standard deviation of 5 % (design figure: -4 to +7 %), and networks three quarters of an hour after their LUT, which was
/// measured soon after the machine's start, took 14 % longer, with canaries as before. Where clocks are fixed it is small. The
/// sessions of one LUT are minutes apart and may agree by luck.
const AS_FOUND: VariancePrior = VariancePrior { sd: 0.08, degrees: 4 };
pub(crate) const FIXED_CLOCKS: VariancePrior = VariancePrior { sd: 0.01, degrees: 4 };
/// A guest that cannot observe its processor's clocks cannot observe its host's load either. On one such machine a
/// dozen occasions, minutes to two days after their LUTs, had levels of 0.68 to 1.52: a standard deviation of 20 %.
const UNSEEN_CLOCKS: VariancePrior = VariancePrior { sd: 0.20, degrees: 4 };

/// A GPU's driver tells its clock and what throttles it, whoever else uses the machine. On an H200 the levels of twenty processes within
/// eight minutes had a standard deviation of 2.6 % and were up to 6 % apart, with the clock at its maximum throughout.
const GPU_CLOCKS: VariancePrior = VariancePrior { sd: 0.03, degrees: 4 };

/// How much the level usually differs from one occasion to another, by how well a device's clocks can be observed: the GPU's if its driver
/// tells them, else the processor's.
pub(crate) fn level_prior(locked: bool, gpu_tells: bool, governor: Option<&str>) -> VariancePrior {
    match governor {
        _ if locked => FIXED_CLOCKS,
        _ if gpu_tells => GPU_CLOCKS,
        Some("not observable") => UNSEEN_CLOCKS,
        _ => AS_FOUND,
    }
}

/// `latency = scale * (sum of layers + layer_ns * layers)`, the scale fitted to all networks that were timed whole in the same
/// sessions, and brought to the mean level of all sessions by the anchors.
/// There is no constant for the network: over the range of a space it cannot be separated from the factor. The cost of
/// timers between layers is subtracted from the rows ([`crate::Reconciliation`]) if that predicts left-out networks
/// better; else the factor removes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The factor.
    pub scale: f64,
    /// Root mean square of the relative errors when each measured network is predicted from the others.
    pub leave_one_out: f64,
    /// Number of networks that the factor was fitted to. Older versions used the anchors alone.
    #[serde(alias = "anchors")]
    pub networks: usize,
    /// Relative half-width, 95 %, for the ratio of one network to another.
    pub shape_half_width: f64,
    /// Relative half-width, 95 %, for the level of a session not measured yet.
    pub level_half_width: f64,
    /// Bandwidth: how near an occurrence's reuse distance must be to count, in units of its natural logarithm. Absent
    /// if the distance predicts nothing; then estimates use means over all occurrences.
    pub reuse_bandwidth: Option<f64>,
    /// How the latency grows with the sum of layers, if not in proportion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_effect: Option<SizeEffect>,
    /// Overhead of the runtime for each layer, nanoseconds before the scale; 0 if it predicts nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub layer_ns: f64,
}

/// The choices made by predicting left-out networks.
pub(crate) struct Form {
    pub(crate) reuse_bandwidth: Option<f64>,
    pub(crate) size_effect: Option<SizeEffect>,
    pub(crate) layer_ns: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Calibration {
    /// Fits the factor to all measured networks; `None` with fewer than four networks or anchors. `left_out` holds the
    /// logarithm of whole over sum of each. The sum comes from the other networks in the `form`, so this shows the error for a
    /// network that was never measured. `prior` says how much the level differs from one occasion to another. `wander` says
    /// how far the level moved within sessions (standard deviation of its logarithm), because a run can fall on any moment.
    #[must_use]
    pub(crate) fn fit(
        anchors: &[Anchor],
        left_out: &[f64],
        form: Form,
        prior: VariancePrior,
        wander: f64,
    ) -> Option<Self> {
        let n = left_out.len();
        if anchors.len().min(n) < MIN_NETWORKS {
            return None;
        }
        let center = mean(left_out)?;
        // A network must not help to predict itself: its scale comes from the other networks.
        let errors: Vec<f64> = left_out.iter().map(|log| (log - center) * n as f64 / (n as f64 - 1.0)).collect();
        let leave_one_out = mean(&errors.iter().map(|e| e * e).collect::<Vec<_>>())?.sqrt();
        let shape_half_width =
            student_t_95(errors.len().saturating_sub(1)) * leave_one_out * (1.0 + 1.0 / n as f64).sqrt();
        let sessions = levels(anchors, |anchor| &anchor.sessions_ns)?;
        let all = [sessions.clone(), levels(anchors, |anchor| &anchor.level_sessions_ns)?].concat();
        let level_half_width = Variance::of(&all, prior).prediction_half_width().hypot(NORMAL_95 * wander);
        // The layers' sessions are one draw of the machine's level each, like those of the anchors alone.
        let scale = (center + mean(&all)? - mean(&sessions)?).exp();
        Some(Self {
            scale,
            leave_one_out,
            networks: n,
            shape_half_width,
            level_half_width,
            reuse_bandwidth: form.reuse_bandwidth,
            size_effect: form.size_effect,
            layer_ns: form.layer_ns,
        })
    }
}

/// Mean logarithm of the anchors' times in each session.
fn levels(anchors: &[Anchor], of: fn(&Anchor) -> &Vec<f64>) -> Option<Vec<f64>> {
    let sessions = of(anchors.first()?).len();
    let level = |s: usize| mean(&anchors.iter().filter_map(|a| Some(of(a).get(s)?.ln())).collect::<Vec<_>>());
    (0..sessions).map(level).collect()
}

#[cfg(test)]
mod tests {
    use nasprof_graph::Arch;

    use super::*;

    fn fit(left_out: &[f64]) -> Calibration {
        // Four anchors that took 20 % longer than the sum of their layers.
        let anchor = |i: u16| Anchor {
            arch: Arch(vec![i]),
            sessions_ns: vec![1.2e6, 1.2e6],
            level_sessions_ns: vec![1.2e6; 3],
            sum_ns: 1e6,
            layers: 10,
            energy: None,
            power_w: None,
            layers_energy_mj: None,
        };
        let form = Form { reuse_bandwidth: None, size_effect: None, layer_ns: 0.0 };
        let anchors: Vec<Anchor> = (0..4).map(anchor).collect();
        Calibration::fit(&anchors, left_out, form, FIXED_CLOCKS, 0.0).unwrap()
    }

    #[test]
    fn the_factor_is_of_all_networks_that_were_timed_whole() {
        let of_anchors = [1.2_f64.ln(); 4];
        let others: Vec<f64> = (0..36).map(|i| if i % 2 == 0 { 1.01_f64.ln() } else { 0.99_f64.ln() }).collect();
        let all = fit(&[of_anchors.as_slice(), &others].concat());
        assert_eq!(all.networks, 40);
        assert!((all.scale / 1.2_f64.powf(0.1) - 1.0).abs() < 1e-3, "{all:?}");
        // Control: of the anchors alone it would be theirs.
        assert!((fit(&of_anchors).scale / 1.2 - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_calibration_of_an_older_version_is_read() {
        let new = serde_json::to_value(fit(&[0.1; 8])).unwrap();
        let mut old = new.as_object().unwrap().clone();
        let count = old.remove("networks").unwrap();
        old.insert("anchors".to_owned(), count);
        assert_eq!(serde_json::from_value::<Calibration>(old.into()).unwrap(), fit(&[0.1; 8]));
    }
}
