//! Calibration: from the sum of a network's layers to the network's latency and its uncertainty.

use nasprof_base::statistics::{mean, student_t_95};
use serde::{Deserialize, Serialize};

use crate::variance::{Variance, VariancePrior};
use crate::{Anchor, SizeEffect};

/// Two-sided 95 % quantile of the normal distribution.
const NORMAL_95: f64 = 1.96;
/// Fewest anchors for a calibration.
const MIN_ANCHORS: usize = 4;
/// How much the level differs from one occasion to another. On a shared virtual machine ten processes within ten minutes had
/// a standard deviation of 5 % (design figure: -4 to +7 %), and networks three quarters of an hour after their LUT, which was
/// measured soon after the machine's start, took 14 % longer, with canaries as before. Where clocks are fixed it is small. The
/// sessions of one LUT are minutes apart and may agree by luck.
const AS_FOUND: VariancePrior = VariancePrior { sd: 0.08, degrees: 4 };
pub(crate) const FIXED_CLOCKS: VariancePrior = VariancePrior { sd: 0.01, degrees: 4 };
/// A guest that sees nothing of its processor's clocks sees nothing of what else its host does. On one such machine a dozen
/// occasions, minutes to two days after their LUTs, had levels of 0.68 to 1.52: a standard deviation of 20 %.
const UNSEEN_CLOCKS: VariancePrior = VariancePrior { sd: 0.20, degrees: 4 };

/// How much the level usually differs from one occasion to another, by what a device shows of its clocks.
pub(crate) fn level_prior(locked: bool, governor: Option<&str>) -> VariancePrior {
    match governor {
        _ if locked => FIXED_CLOCKS,
        Some("not observable") => UNSEEN_CLOCKS,
        _ => AS_FOUND,
    }
}

/// `latency = scale * (sum of layers + layer_ns * layers)`, the scale fitted to anchors measured in the same sessions. No constant
/// for the network: it is not told apart from the factor over the range of a space. What timers between layers cost is
/// taken off the rows ([`crate::Reconciliation`]) where that predicts left-out networks better; else the factor takes it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The factor.
    pub scale: f64,
    /// Root mean square of the relative errors when each measured network is predicted from the others.
    pub leave_one_out: f64,
    /// Anchors used.
    pub anchors: usize,
    /// Relative half-width, 95 %, for the ratio of one network to another.
    pub shape_half_width: f64,
    /// Relative half-width, 95 %, for the level of a session not measured yet.
    pub level_half_width: f64,
    /// How near an occurrence's reuse distance must be to count, in units of its natural logarithm; absent where the distance
    /// predicts nothing and means over all occurrences are used.
    pub reuse_bandwidth: Option<f64>,
    /// What a network's size does to it beside the sum of its layers; absent where it predicts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_effect: Option<SizeEffect>,
    /// What the runtime spends on each layer beside its entry, nanoseconds before the scale; 0 where it predicts nothing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub layer_ns: f64,
}

/// What was chosen by predicting left-out networks.
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
    /// Fits the factor to the anchors; `None` with fewer than four. `left_out` holds for every measured network
    /// whether it is an anchor, and the logarithm of whole over sum, its sum being made in the
    /// `form` from the other networks: they say how far a network that was never measured will be off. `prior` says
    /// how much the level differs from one occasion to another, `wander` how far it moved within sessions (standard
    /// deviation of its logarithm): a run falls on any of its moments.
    #[must_use]
    pub(crate) fn fit(
        anchors: &[Anchor],
        left_out: &[(bool, f64)],
        form: Form,
        prior: VariancePrior,
        wander: f64,
    ) -> Option<Self> {
        let ratios: Vec<f64> = anchors.iter().filter_map(|a| Some((mean(&a.sessions_ns)? / a.sum_ns).ln())).collect();
        let n = ratios.len();
        if n < MIN_ANCHORS {
            return None;
        }
        let center = mean(&ratios)?;
        // A network does not help to predict itself: where it is an anchor, the scale is that of the other anchors.
        let residual = |(anchor, log): &(bool, f64)| {
            let own = f64::from(u8::from(*anchor));
            (log - center) * n as f64 / (n as f64 - own)
        };
        let errors: Vec<f64> = left_out.iter().map(residual).collect();
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
            anchors: n,
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
