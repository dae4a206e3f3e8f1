//! Loss scaling, so that small gradients do not vanish in 16-bit floats (Micikevicius et al., ICLR 2018).

use serde::{Deserialize, Serialize};

const FIRST: f64 = 65536.0;
const MOST: f64 = 16_777_216.0;
/// Number of steps without an overflow after which the scale doubles, as in PyTorch.
const STEPS: u32 = 2000;

/// The loss scale. It halves if gradients overflow, and doubles after many steps without an overflow.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossScale {
    scale: f64,
    good_steps: u32,
}

impl Default for LossScale {
    fn default() -> Self {
        Self { scale: FIRST, good_steps: 0 }
    }
}

impl LossScale {
    pub(crate) fn factor(&self) -> f64 {
        self.scale
    }

    /// Updates the scale after a step; `finite` tells whether its gradients were finite.
    pub(crate) fn learn(&mut self, finite: bool) {
        if !finite {
            *self = Self { scale: (self.scale / 2.0).max(1.0), good_steps: 0 };
            return;
        }
        self.good_steps += 1;
        if self.good_steps == STEPS {
            *self = Self { scale: (self.scale * 2.0).min(MOST), good_steps: 0 };
        }
    }

    /// Whether the scale cannot fall further. If gradients still overflow, the training has diverged.
    pub(crate) fn is_least(&self) -> bool {
        self.scale <= 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_falls_at_an_overflow_and_grows_after_long() {
        let mut scale = LossScale::default();
        scale.learn(false);
        assert_eq!(scale.factor(), FIRST / 2.0);
        (1..STEPS).for_each(|_| scale.learn(true));
        assert_eq!(scale.factor(), FIRST / 2.0);
        scale.learn(true);
        assert_eq!(scale.factor(), FIRST);
        (0..100).for_each(|_| scale.learn(false));
        assert!(scale.is_least() && scale.factor() == 1.0);
    }
}
