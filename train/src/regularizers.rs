//! Regularizers: limits and costs besides accuracy during a search.
//!
//! A reward and a rejection act on the reward of a sampled architecture. A penalty and a constraint act on the distribution:
//! the gradient of the expected cost is added to that of the loss.
//!
//! The expected cost is that of the discretised architecture under noise ([`Relaxation`]). For DARTS cells this means two
//! edges of each node, as deployed, and not the mixture that the supernet runs. A constraint is the augmented Lagrangian
//! `multiplier * c + STIFFNESS / 2 * c^2` of `c = expected / target - 1`. After each step the multiplier grows by
//! `STIFFNESS * MULTIPLIER_RATE * c`, so it is stationary only if the expected cost equals the target.

use nasprof_graph::Arch;
use nasprof_graph::expectation::{ExpectedCost, Sampling};
use nasprof_graph::runtime::Runtime;
use nasprof_search::config::{LoadedRegularizer, Quantity, Regularizer, RegularizerKind};
use nasprof_search::events::Expected;
use nasprof_search::selection::{DiscretizationRule, Limit, Relaxation};
use nasprof_search::{CostError, Costs};
use nasprof_spaces::Space;

use crate::error::SearchError;

/// Weight of a constraint's square. A miss of 10 % pulls as hard as a loss that changes by half of the relative change of
/// the cost.
const STIFFNESS: f64 = 5.0;
/// Share of the pull that the multiplier keeps after each step. If it exceeds one over the number of steps that the
/// architecture's optimizer needs to follow, the expected cost oscillates around the target.
const MULTIPLIER_RATE: f64 = 0.02;
/// Temperature of the noise in the expected cost. At 1, choices have the probabilities that they are sampled with.
const TEMPERATURE: f64 = 1.0;

/// All regularizers of a search.
#[derive(Debug)]
pub struct Regularizers<'a> {
    rule: DiscretizationRule,
    all: Vec<Active<'a>>,
}

#[derive(Debug)]
struct Active<'a> {
    loaded: &'a LoadedRegularizer,
    settings: &'a Regularizer,
    costs: Costs<'a>,
    /// The expected cost, for regularizers that act on the distribution.
    expected: Option<ExpectedCost>,
    multiplier: f64,
    latest: Option<f64>,
}

impl<'a> Regularizers<'a> {
    /// The regularizers of an experiment for its space.
    ///
    /// # Errors
    /// Layers without an entry in the LUT.
    pub fn new(space: &Space, loaded: &'a [LoadedRegularizer]) -> Result<Self, SearchError> {
        let all = loaded.iter().map(|one| Active::new(space, one)).collect::<Result<_, _>>()?;
        Ok(Self { rule: DiscretizationRule::of(&space.choices), all })
    }

    /// The reward of an architecture with this accuracy; `None` if it is rejected.
    ///
    /// # Errors
    /// An unknown cost.
    pub fn reward(&self, accuracy: f64, arch: &Arch) -> Result<Option<f64>, CostError> {
        let mut reward = accuracy;
        for one in &self.all {
            match one.settings.kind {
                RegularizerKind::Reward => reward *= one.settings.reward_factor(one.costs.of(arch)?),
                RegularizerKind::Reject => {
                    let value = one.costs.of(arch)?;
                    if one.settings.upper.is_some_and(|u| value > u) || one.settings.lower.is_some_and(|l| value < l) {
                        return Ok(None);
                    }
                }
                RegularizerKind::Penalty | RegularizerKind::Constraint => {}
            }
        }
        Ok(Some(reward))
    }

    /// Adds the gradient of penalties and constraints with respect to the alphas. `probabilities` are the softmax of the
    /// alphas.
    ///
    /// # Errors
    /// An unknown cost.
    pub fn add_gradient(&mut self, probabilities: &[Vec<f64>], gradient: &mut [Vec<f64>]) -> Result<(), SearchError> {
        let mut own: Vec<Vec<f64>> = probabilities.iter().map(|row| vec![0.0; row.len()]).collect();
        for one in &mut self.all {
            let Some(expected) = &mut one.expected else { continue };
            let relaxed = Relaxation::new(&self.rule, probabilities, TEMPERATURE);
            let value = expected.evaluate(&relaxed.probabilities(), &mut own)?;
            one.latest = Some(value);
            let factor = match (one.settings.kind, one.settings.target) {
                (RegularizerKind::Constraint, Some(target)) => {
                    (one.multiplier + STIFFNESS * (value / target - 1.0)) / target
                }
                _ => one.settings.weight(),
            };
            for (row, own) in gradient.iter_mut().zip(relaxed.pull_back(probabilities, &own)) {
                row.iter_mut().zip(own).for_each(|(g, o)| *g += factor * o);
            }
        }
        Ok(())
    }

    /// Updates the multipliers with the expected costs of the last gradient.
    pub fn update_multipliers(&mut self) {
        for one in &mut self.all {
            if let (RegularizerKind::Constraint, Some(target), Some(value)) =
                (one.settings.kind, one.settings.target, one.latest)
            {
                one.multiplier += STIFFNESS * MULTIPLIER_RATE * (value / target - 1.0);
            }
        }
    }

    /// The multipliers, for a checkpoint.
    #[must_use]
    pub fn multipliers(&self) -> Vec<f64> {
        self.all.iter().map(|one| one.multiplier).collect()
    }

    /// Restores the multipliers of a checkpoint.
    pub fn restore(&mut self, multipliers: &[f64]) {
        self.all.iter_mut().zip(multipliers).for_each(|(one, &m)| one.multiplier = m);
    }

    /// The limits on a selected architecture. `factor` gives the calibration factor of a regularizer's LUT, which multiplies
    /// the latencies before the comparison.
    #[must_use]
    pub fn limits(&self, factor: impl Fn(&LoadedRegularizer) -> f64) -> Vec<Limit<'_>> {
        let of = |one: &Active<'a>| if one.settings.quantity == Quantity::Latency { factor(one.loaded) } else { 1.0 };
        self.all.iter().filter_map(|one| Limit::of(one.settings, &one.costs, of(one))).collect()
    }

    /// The quantities of an architecture, in the file's order.
    ///
    /// # Errors
    /// An unknown cost.
    pub fn values(&self, arch: &Arch) -> Result<Vec<f64>, CostError> {
        self.all.iter().map(|one| one.costs.of(arch)).collect()
    }

    /// Whether an architecture is within the bounds of rejections and constraints, and not above the target of a constraint.
    ///
    /// # Errors
    /// An unknown cost.
    pub fn admits(&self, arch: &Arch) -> Result<bool, CostError> {
        for one in &self.all {
            let Regularizer { upper, lower, target, .. } = one.settings;
            let most = match one.settings.kind {
                RegularizerKind::Reject => *upper,
                RegularizerKind::Constraint => [*upper, *target].into_iter().flatten().reduce(f64::min),
                RegularizerKind::Reward | RegularizerKind::Penalty => continue,
            };
            let value = one.costs.of(arch)?;
            if most.is_some_and(|most| value > most) || lower.is_some_and(|least| value < least) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rule that turns a distribution into an architecture.
    #[must_use]
    pub fn rule(&self) -> &DiscretizationRule {
        &self.rule
    }

    /// The settings, in the file's order.
    pub fn settings(&self) -> impl Iterator<Item = &Regularizer> {
        self.all.iter().map(|one| one.settings)
    }

    /// The expected values of the last step, for regularizers that act on the distribution.
    #[must_use]
    pub fn expected(&self) -> Vec<Expected> {
        let of = |one: &Active<'_>| {
            let constraint = one.settings.kind == RegularizerKind::Constraint;
            Some(Expected {
                quantity: one.settings.quantity.name().to_owned(),
                unit: one.settings.quantity.unit().to_owned(),
                value: one.latest?,
                target: one.settings.target,
                multiplier: constraint.then_some(one.multiplier),
            })
        };
        self.all.iter().filter_map(of).collect()
    }

    /// Names and values of curves: expected costs and multipliers.
    #[must_use]
    pub fn curves(&self) -> Vec<(String, f64)> {
        let mut curves = Vec::new();
        for (i, one) in self.all.iter().enumerate() {
            let quantity = one.settings.quantity;
            // Latencies on two devices are two curves; their mean has no meaning.
            let alone = self.all.iter().filter(|other| other.settings.quantity == quantity).count() == 1;
            let name = if alone { quantity.name().to_owned() } else { format!("{}/{i}", quantity.name()) };
            curves.extend(one.latest.map(|value| (format!("expected/{name}"), value)));
            if one.settings.kind == RegularizerKind::Constraint {
                curves.push((format!("multiplier/{name}"), one.multiplier));
            }
        }
        curves
    }
}

impl<'a> Active<'a> {
    fn new(space: &Space, loaded: &'a LoadedRegularizer) -> Result<Self, SearchError> {
        let settings = &loaded.settings;
        let lut = loaded.lut.as_deref();
        let costs = Costs::new(space, settings.quantity, lut)?;
        let acts = matches!(settings.kind, RegularizerKind::Penalty | RegularizerKind::Constraint);
        let expected = acts.then(|| expected(space, settings.quantity, loaded)).transpose()?;
        Ok(Self { loaded, settings, costs, expected, multiplier: 0.0, latest: None })
    }
}

fn expected(space: &Space, quantity: Quantity, loaded: &LoadedRegularizer) -> Result<ExpectedCost, SearchError> {
    let sampling = Sampling::default();
    let lut = loaded.lut.as_deref();
    let batch = lut.map_or(1, |l| l.context.header.batch);
    let graph = space.graph.with_batch(batch).map_err(CostError::from)?;
    let runtime = lut.map_or(Runtime::TorchEager, |l| l.context.header.runtime);
    Ok(match (quantity, lut) {
        (Quantity::Latency, Some(lut)) => lut.expected_latency(&graph, sampling)?,
        (Quantity::Memory, Some(lut)) => lut.expected_peak_memory(&graph, sampling)?,
        (Quantity::Params, _) => ExpectedCost::params(&graph, runtime, sampling)?,
        (Quantity::Macs, _) => ExpectedCost::macs(&graph, runtime, sampling)?,
        (quantity, None) => return Err(CostError::NoLut(quantity).into()),
    })
}
