//! Hard bounds on architectures.

use nasprof_graph::Arch;
use nasprof_spaces::Space;

use crate::config::{LoadedRegularizer, Quantity};
use crate::{CostError, Costs};

/// Bounds on some quantities.
#[derive(Debug, Default)]
pub struct Budget<'a> {
    bounds: Vec<Bound<'a>>,
}

#[derive(Debug)]
struct Bound<'a> {
    name: &'static str,
    costs: Costs<'a>,
    lower: f64,
    upper: f64,
    /// The value that a constraint's winner should have at least.
    wanted: f64,
}

impl<'a> Budget<'a> {
    /// The budget of an experiment: upper and lower bounds, and the target of a constraint as an upper bound. Quantities
    /// without bounds are computed as well. `factor` gives the calibration factor of a regularizer's LUT, which multiplies
    /// the latencies before the comparison.
    ///
    /// # Errors
    /// Layers without an entry in a LUT.
    pub fn new(
        space: &Space,
        regularizers: &'a [LoadedRegularizer],
        factor: impl Fn(&LoadedRegularizer) -> f64,
    ) -> Result<Self, CostError> {
        let bound = |regularizer: &'a LoadedRegularizer| -> Result<Bound<'a>, CostError> {
            let settings = &regularizer.settings;
            let factor = if settings.quantity == Quantity::Latency { factor(regularizer) } else { 1.0 };
            Ok(Bound {
                name: settings.quantity.name(),
                costs: Costs::new(space, settings.quantity, regularizer.lut.as_deref())?,
                lower: settings.lower.unwrap_or(f64::NEG_INFINITY) / factor,
                upper: [settings.upper, settings.target].into_iter().flatten().fold(f64::INFINITY, f64::min) / factor,
                wanted: settings.wanted().unwrap_or(f64::NEG_INFINITY) / factor,
            })
        };
        Ok(Self { bounds: regularizers.iter().map(bound).collect::<Result<_, _>>()? })
    }

    /// The part of the budget just below the target, where a constraint's winner has to be.
    #[must_use]
    pub fn near_target(mut self) -> Self {
        self.bounds.iter_mut().for_each(|bound| bound.lower = bound.lower.max(bound.wanted));
        self
    }

    /// The quantities' names.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.bounds.iter().map(|bound| bound.name).collect()
    }

    /// The quantities of an architecture, in the regularizers' order; `None` if one is out of bounds.
    ///
    /// # Errors
    /// An unknown cost.
    pub fn values(&self, arch: &Arch) -> Result<Option<Vec<f64>>, CostError> {
        let mut values = Vec::with_capacity(self.bounds.len());
        for bound in &self.bounds {
            let value = bound.costs.of(arch)?;
            if !(bound.lower..=bound.upper).contains(&value) {
                return Ok(None);
            }
            values.push(value);
        }
        Ok(Some(values))
    }

    /// Which of many architectures are within the bounds; latencies may be those of the batch form ([`Costs::of_all`]).
    ///
    /// # Errors
    /// An unknown cost.
    pub fn admitted(&self, space: &Space, archs: &[Arch]) -> Result<Vec<bool>, CostError> {
        let mut admitted = vec![true; archs.len()];
        for bound in &self.bounds {
            for (admitted, value) in admitted.iter_mut().zip(bound.costs.of_all(space, archs)?) {
                *admitted &= (bound.lower..=bound.upper).contains(&value);
            }
        }
        Ok(admitted)
    }

    /// The quantities of an architecture, even if it is out of bounds.
    ///
    /// # Errors
    /// An unknown cost.
    pub fn quantities(&self, arch: &Arch) -> Result<Vec<f64>, CostError> {
        self.bounds.iter().map(|bound| bound.costs.of(arch)).collect()
    }

    /// Maximum number of draws per wanted architecture, so that some thousand architectures take a few seconds. A tighter
    /// budget yields fewer architectures.
    pub(super) fn patience(&self) -> u64 {
        if self.bounds.iter().all(|bound| bound.costs.is_tabulated()) { 1000 } else { 10 }
    }

    /// For every quantity, the architecture with the smallest value: starting points if draws find too few.
    pub(super) fn cheapest(&self, space: &Space) -> Result<Vec<Arch>, CostError> {
        self.bounds.iter().map(|bound| Ok(bound.costs.minimum(space)?.arch)).collect()
    }
}
