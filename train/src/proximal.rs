//! Pulls the distribution towards the architecture that will be deployed.
//!
//! A multiplier moves an expected cost to its target. But while candidates are nearly equal, the cost of the most probable
//! architecture can be far from the target. It is then repaired at the end to an architecture that the search never
//! evaluated.
//!
//! So in the second half of a search with limits two steps alternate, as in proximal searches (Yao et al. 2020, "Efficient
//! neural architecture search via proximal iterations"; Boyd et al. 2011, section 9, for discrete sets). First, the *aim* is
//! set to the most probable architecture within the limits. Second, the alphas also descend the aim's negative log
//! probability, whose gradient is `p - onehot(aim)`. The pull grows linearly. Its norm is relative to that of the other
//! gradients, so it dominates at the end for any scale of the loss.

use nasprof_graph::Arch;
use nasprof_search::CostError;
use nasprof_search::selection::{DiscretizationRule, Limit, log_probability, select};
use nasprof_spaces::Space;

/// Fraction of the search after which the pull begins.
const BEGIN: f64 = 0.5;
/// Norm of the pull at the end, relative to the norm of the other gradients.
const FULL: f64 = 2.0;
/// Number of times that the aim is determined, evenly over the pull.
const TIMES: u64 = 10;

/// The pull of a search.
#[derive(Debug)]
pub struct ProximalPull {
    steps: u64,
    aim: Option<Arch>,
}

impl ProximalPull {
    /// A pull without an aim yet; `steps` is the number of steps of the architecture.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        Self { steps, aim: None }
    }

    /// The aim.
    #[must_use]
    pub fn aim(&self) -> Option<&Arch> {
        self.aim.as_ref()
    }

    /// Restores the aim of a checkpoint.
    pub fn restore(&mut self, aim: Option<Arch>) {
        self.aim = aim;
    }

    /// Adds the pull of step `step`, counted from 0, to the gradient with respect to the alphas. `probabilities` are the
    /// softmax of the alphas. Without limits there is no pull.
    ///
    /// # Errors
    /// An unknown cost.
    pub fn add_gradient(
        &mut self,
        step: u64,
        (space, rule): (&Space, &DiscretizationRule),
        limits: &[Limit<'_>],
        probabilities: &[Vec<f64>],
        gradient: &mut [Vec<f64>],
    ) -> Result<(), CostError> {
        let begin = (self.steps as f64 * BEGIN).ceil() as u64;
        if limits.is_empty() || step < begin {
            return Ok(());
        }
        let every = ((self.steps - begin) / TIMES).max(1);
        if self.aim.is_none() || (step - begin).is_multiple_of(every) {
            self.determine(select(space, rule, probabilities, limits)?.arch, rule, probabilities);
        }
        let Some(aim) = &self.aim else { return Ok(()) };
        let mut pull = probabilities.to_vec();
        pull.iter_mut().zip(&aim.0).for_each(|(row, &k)| row[usize::from(k)] -= 1.0);
        let norm = |rows: &[Vec<f64>]| rows.iter().flatten().map(|g| g * g).sum::<f64>().sqrt();
        let progress = (step + 1 - begin) as f64 / (self.steps - begin).max(1) as f64;
        let strength = FULL * progress.min(1.0) * norm(gradient) / norm(&pull).max(f64::MIN_POSITIVE);
        for (row, pull) in gradient.iter_mut().zip(&pull) {
            row.iter_mut().zip(pull).for_each(|(g, p)| *g += strength * p);
        }
        Ok(())
    }

    /// Sets a new aim, unless the old one is more probable. Both are within the limits, but the annealing that finds them is
    /// not exhaustive.
    fn determine(&mut self, found: Arch, rule: &DiscretizationRule, probabilities: &[Vec<f64>]) {
        let log = |arch: &Arch| log_probability(rule, probabilities, arch);
        if self.aim.as_ref().is_none_or(|aim| log(&found) >= log(aim)) {
            self.aim = Some(found);
        }
    }
}
