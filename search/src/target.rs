//! Comparison of a measured latency with its target or limit.

use std::fmt;

use crate::winner::{Latency, TOLERANCE};

/// Half a unit of the last printed digit; smaller differences count as zero.
const ROUNDING: f64 = 5e-5;

/// The quality of a latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grade {
    /// Within a limit, or at most 1 % below a target.
    Good,
    /// More than 1 % below a target, which leaves part of the budget unused, or up to 1 % above it.
    Doubtful,
    /// Above a limit, or more than 1 % above a target.
    Bad,
}

/// The reference of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The target of a constraint.
    Target,
    /// The hard upper bound.
    Limit,
}

/// A measured latency against the target or the limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The reference.
    pub goal: Goal,
    /// Measured over wanted, minus 1; negative below the reference.
    pub difference: f64,
    /// The quality.
    pub grade: Grade,
}

/// In words: `2.13 % below target`.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goal = match self.goal {
            Goal::Target => "target",
            Goal::Limit => "the limit",
        };
        let side = if self.difference < 0.0 { "below" } else { "above" };
        match self.difference.abs() {
            size if size >= ROUNDING => write!(f, "{:.2} % {side} {goal}", 100.0 * size),
            // Even a tiny excess violates a limit.
            _ if self.grade == Grade::Bad => write!(f, "just {side} {goal}"),
            _ => write!(f, "at {goal}"),
        }
    }
}

impl Latency {
    /// Compares the measured latency with the target, or with the limit if it is exceeded or there is no target. `None`
    /// without a measurement, or without target and limit.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        let measured = self.measured.as_ref()?.latency_ms;
        let against = |wanted: f64| measured / wanted - 1.0;
        match (self.target_ms.map(against), self.limit_ms.map(against)) {
            (_, Some(difference)) if difference > 0.0 => {
                Some(Comparison { goal: Goal::Limit, difference, grade: Grade::Bad })
            }
            (Some(difference), _) => {
                let grade = match difference {
                    d if d.abs() < ROUNDING => Grade::Good,
                    d if d > TOLERANCE => Grade::Bad,
                    d if !(-TOLERANCE - ROUNDING..=0.0).contains(&d) => Grade::Doubtful,
                    _ => Grade::Good,
                };
                Some(Comparison { goal: Goal::Target, difference, grade })
            }
            (None, Some(difference)) => Some(Comparison { goal: Goal::Limit, difference, grade: Grade::Good }),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::winner::Measured;

    fn comparison(measured: f64, target_ms: Option<f64>, limit_ms: Option<f64>) -> Option<(String, Grade)> {
        let measured = Measured {
            latency_ms: measured,
            ci_ms: None,
            processes_ms: Vec::new(),
            disturbed_processes: 0,
            level: None,
            device: "fake".to_owned(),
            timing: None,
            allow_noisy: false,
        };
        let latency = Latency { measured: Some(measured), target_ms, limit_ms, ..Latency::unknown() };
        latency.comparison().map(|c| (c.to_string(), c.grade))
    }

    #[test]
    fn nearness_and_side_decide() {
        for (measured, words, grade) in [
            (99.5, "0.50 % below target", Grade::Good),
            (100.0, "at target", Grade::Good),
            (97.87, "2.13 % below target", Grade::Doubtful),
            (60.0, "40.00 % below target", Grade::Doubtful),
            (100.4, "0.40 % above target", Grade::Doubtful),
            (102.13, "2.13 % above target", Grade::Bad),
        ] {
            assert_eq!(comparison(measured, Some(100.0), None), Some((words.to_owned(), grade)));
        }
        let of_limit = |words: &str, grade| Some((words.to_owned(), grade));
        assert_eq!(comparison(101.0, Some(100.0), Some(100.5)), of_limit("0.50 % above the limit", Grade::Bad));
        assert_eq!(comparison(100.001, None, Some(100.0)), of_limit("just above the limit", Grade::Bad));
        assert_eq!(comparison(50.0, None, Some(100.0)), of_limit("50.00 % below the limit", Grade::Good));
        assert_eq!(comparison(99.0, Some(100.0), Some(100.5)), of_limit("1.00 % below target", Grade::Good));
        assert_eq!(comparison(1.0, None, None), None);
        assert_eq!(Latency { target_ms: Some(1.0), ..Latency::unknown() }.comparison(), None, "not measured");
    }
}
