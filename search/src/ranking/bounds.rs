//! Lower bounds of a sum over the choices, of all networks within limits on other sums that begin with the same candidates.

use super::partial::{Partial, Sums};

/// Rounds of the ascent over all limits, and halvings of each multiplier in a round.
const ROUNDS: usize = 12;
const HALVINGS: usize = 60;
/// Relative tolerance for rounding errors in the last digits.
const ROUNDING: f64 = 1e-12;

/// Limits and the bounds that follow from them. The bound is that of Lagrangian relaxation (Fisher 1981, Management Science
/// 27): excess over a limit costs its multiplier, so that every choice has its own least candidate.
pub(super) struct Bounds<'a> {
    sums: &'a Sums,
    limits: &'a [f64],
    multipliers: Vec<f64>,
    /// For each choice, the least that this and all later choices add to the relaxed sum.
    relaxed: Vec<f64>,
}

impl<'a> Bounds<'a> {
    /// The first of the sums is bounded, the others are limited. Any multipliers give a valid bound; these give a high one, by
    /// coordinate ascent.
    pub(super) fn new(sums: &'a Sums, limits: &'a [f64]) -> Self {
        let mut bounds = Self { sums, limits, multipliers: vec![0.0; limits.len()], relaxed: Vec::new() };
        for _ in 0..ROUNDS {
            for limit in 0..limits.len() {
                bounds.raise(limit);
            }
        }
        bounds.relaxed = vec![0.0; sums.choices() + 1];
        for choice in (0..sums.choices()).rev() {
            bounds.relaxed[choice] = bounds.relaxed[choice + 1] + bounds.least(choice).0;
        }
        bounds
    }

    /// The least relaxed contribution of a choice, and its candidate.
    fn least(&self, choice: usize) -> (f64, usize) {
        let relaxed = |candidate: usize| {
            let values = self.sums.contributions(choice, candidate);
            values[0]
                + self.multipliers.iter().zip(&values[1..]).map(|(multiplier, value)| multiplier * value).sum::<f64>()
        };
        let all = (0..self.sums.candidates(choice)).map(|candidate| (relaxed(candidate), candidate));
        all.reduce(|a, b| if b.0 < a.0 { b } else { a }).unwrap_or_default()
    }

    /// Sets one multiplier to where the bound is highest: the least at which the relaxed optimum is within the limit.
    fn raise(&mut self, limit: usize) {
        let exceeds = |bounds: &mut Self, multiplier: f64| {
            bounds.multipliers[limit] = multiplier;
            let start = bounds.sums.start()[limit + 1];
            let each = (0..bounds.sums.choices())
                .map(|choice| bounds.sums.contributions(choice, bounds.least(choice).1)[limit + 1]);
            start + each.sum::<f64>() > bounds.limits[limit]
        };
        if !exceeds(self, 0.0) {
            return;
        }
        let [objective, limited] = [0, limit + 1].map(|sum| self.sums.most_rest(0)[sum] - self.sums.least_rest(0)[sum]);
        let (mut low, mut high) = (0.0, (objective / limited).max(f64::MIN_POSITIVE));
        for _ in 0..HALVINGS {
            if !exceeds(self, high) {
                break;
            }
            (low, high) = (high, 2.0 * high);
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if exceeds(self, middle) { low = middle } else { high = middle }
        }
        self.multipliers[limit] = high;
    }

    /// A lower bound for all networks within the limits that begin like this one.
    pub(super) fn lower(&self, partial: &Partial, depth: usize) -> f64 {
        let excess = partial.values[1..].iter().zip(self.limits).map(|(value, limit)| value - limit);
        let charged: f64 = self.multipliers.iter().zip(excess).map(|(multiplier, excess)| multiplier * excess).sum();
        let free = self.sums.least_rest(depth)[0];
        partial.values[0] + free.max(charged + self.relaxed[depth])
    }

    /// Whether some network within the limits begins like this one and is not worse than `threshold`. What is left of a limit
    /// beyond the most that later choices can use does not count, so `partial` gets no more than that.
    pub(super) fn allow(&self, partial: &mut Partial, depth: usize, threshold: f64) -> bool {
        let (least, most) = (self.sums.least_rest(depth), self.sums.most_rest(depth));
        for (i, limit) in self.limits.iter().enumerate() {
            let value = &mut partial.values[i + 1];
            if *value + least[i + 1] > limit + limit.abs() * ROUNDING {
                return false;
            }
            *value = value.max(limit - most[i + 1]);
        }
        self.lower(partial, depth) <= threshold + threshold.abs() * ROUNDING
    }
}
