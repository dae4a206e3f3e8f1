//! What an architecture costs: latency and memory by a LUT, parameters and MACs by the network itself.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::{Arch, Graph, GraphError, LoweredNetwork};
use nasprof_lut::{CostTable, Estimator, Lut};
use nasprof_spaces::Space;
use thiserror::Error;

use crate::config::Quantity;

/// A cost that cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CostError {
    /// The LUT has no times for layers that the architecture runs.
    #[error("the LUT has no times for {}", .0.join(", "))]
    Missing(Vec<String>),
    /// The quantity is read from a LUT, and none was given.
    #[error("{} is read from a LUT", .0.name())]
    NoLut(Quantity),
    /// The architecture is not one of the space.
    #[error("{0}")]
    Architecture(String),
    /// The space does not work at the LUT's batch size.
    #[error("at the LUT's batch size: {0}")]
    Batch(#[from] GraphError),
}

/// One quantity of a space's architectures.
#[derive(Debug)]
pub struct Costs<'a> {
    quantity: Quantity,
    runtime: Runtime,
    /// At the LUT's batch size.
    supernet: Graph,
    estimator: Option<Estimator<'a>>,
    table: Option<CostTable>,
}

/// An architecture with the least or the most of a quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Extreme {
    /// The architecture.
    pub arch: Arch,
    /// How much it has, in the quantity's unit.
    pub value: f64,
    /// How it was found.
    pub found_by: FoundBy,
}

/// How an extreme was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// Choices contribute independently: there is no better one.
    Exact,
    /// Choices depend on each other: it is the best that changing one choice at a time leads to.
    CoordinateSearch,
}

impl Extreme {
    fn exact((arch, value): (Arch, f64)) -> Self {
        Self { arch, value, found_by: FoundBy::Exact }
    }
}

impl<'a> Costs<'a> {
    /// A quantity of the architectures of a space.
    ///
    /// # Errors
    /// If the LUT is needed and missing, or has no times for layers of the space.
    pub fn new(space: &Space, quantity: Quantity, lut: Option<&'a Lut>) -> Result<Self, CostError> {
        let (runtime, batch) =
            lut.map_or((Runtime::TorchEager, 1), |l| (l.context.header.runtime, l.context.header.batch));
        let from_lut = matches!(quantity, Quantity::Latency | Quantity::Memory);
        if from_lut && lut.is_none() {
            return Err(CostError::NoLut(quantity));
        }
        let supernet = if batch == 1 { space.graph.clone() } else { space.graph.with_batch(batch)? };
        let mut costs = Self { quantity, runtime, supernet, estimator: lut.map(Estimator::new), table: None };
        // A peak is a largest value and not a sum.
        if quantity != Quantity::Memory {
            costs.table = CostTable::tabulate(space, |arch| costs.of(arch).ok());
        }
        // Where choices depend on each other, all candidates are tried in a few architectures, so that a missing layer is
        // found now and not in the middle of a search.
        let most = space.choices.iter().map(|c| c.candidates.len()).max().unwrap_or(1);
        for step in 0..most.max(1) {
            let selected = space.choices.iter().enumerate().map(|(i, c)| ((step + i) % c.candidates.len()) as u16);
            costs.of(&Arch(selected.collect()))?;
        }
        Ok(costs)
    }

    /// The quantity of one architecture, in its unit.
    ///
    /// # Errors
    /// If the architecture is not one of the space or the LUT has no times for its layers.
    pub fn of(&self, arch: &Arch) -> Result<f64, CostError> {
        if let Some(table) = &self.table {
            return Ok(table.score(arch));
        }
        let subnet = self.runtime.subnet(&self.supernet, arch);
        let subnet = subnet.map_err(|e| CostError::Architecture(e.to_string()))?;
        match (self.quantity, &self.estimator) {
            (Quantity::Params, _) => Ok(subnet.cost().params as f64),
            (Quantity::Macs, _) => Ok(subnet.cost().macs as f64),
            (Quantity::Latency, Some(estimator)) => {
                estimator.latency_ms(&subnet).ok_or_else(|| missing(estimator, &subnet))
            }
            (Quantity::Memory, Some(estimator)) => {
                let estimate = estimator.estimate(&subnet);
                // Without the row of a layer its workspace is not known, and the peak would come out too small.
                match estimate.latency_ms {
                    Some(_) => Ok(estimate.peak_memory_bytes as f64),
                    None => Err(missing(estimator, &subnet)),
                }
            }
            (quantity, None) => Err(CostError::NoLut(quantity)),
        }
    }

    /// Whether costs come from a table, in nanoseconds; else each prunes its network first, in milliseconds.
    #[must_use]
    pub fn is_tabulated(&self) -> bool {
        self.table.is_some()
    }

    /// The architecture with the least of the quantity.
    ///
    /// # Errors
    /// As [`Costs::of`].
    pub fn cheapest(&self, space: &Space) -> Result<Extreme, CostError> {
        self.cheap_enough(space, f64::NEG_INFINITY)
    }

    /// The same, but the first architecture that is found to have no more than `enough` will do.
    ///
    /// # Errors
    /// As [`Costs::of`].
    pub fn cheap_enough(&self, space: &Space, enough: f64) -> Result<Extreme, CostError> {
        match &self.table {
            Some(table) => Ok(Extreme::exact(table.cheapest())),
            None => self.climb(space, |value, other| other < value, |value| value <= enough),
        }
    }

    /// As [`Costs::cheap_enough`], of the most instead of the least.
    ///
    /// # Errors
    /// As [`Costs::of`].
    pub fn dear_enough(&self, space: &Space, enough: f64) -> Result<Extreme, CostError> {
        match &self.table {
            Some(table) => Ok(Extreme::exact(table.dearest())),
            None => self.climb(space, |value, other| other > value, |value| value >= enough),
        }
    }

    /// What changing one choice at a time leads to.
    fn climb(
        &self,
        space: &Space,
        is_better: impl Fn(f64, f64) -> bool,
        is_enough: impl Fn(f64) -> bool,
    ) -> Result<Extreme, CostError> {
        let mut best = Arch(vec![0; space.choices.len()]);
        let mut value = self.of(&best)?;
        loop {
            let before = value;
            for (i, choice) in space.choices.iter().enumerate() {
                for candidate in 0..choice.candidates.len() {
                    if is_enough(value) {
                        return Ok(Extreme { arch: best, value, found_by: FoundBy::CoordinateSearch });
                    }
                    let mut arch = best.clone();
                    arch.0[i] = candidate as u16;
                    let other = self.of(&arch)?;
                    if is_better(value, other) {
                        (best, value) = (arch, other);
                    }
                }
            }
            if !is_better(before, value) {
                return Ok(Extreme { arch: best, value, found_by: FoundBy::CoordinateSearch });
            }
        }
    }
}

fn missing(estimator: &Estimator<'_>, subnet: &LoweredNetwork) -> CostError {
    let nodes = estimator.estimate(subnet).nodes;
    CostError::Missing(
        nodes.into_iter().filter(|n| n.latency_ms.is_none()).map(|n| n.key.to_string()).take(3).collect(),
    )
}
