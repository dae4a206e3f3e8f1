//! Costs of an architecture: latency and memory from a LUT, parameters and MACs from the network.

use nasprof_graph::runtime::Runtime;
use nasprof_graph::selector::Selector;
use nasprof_graph::{Arch, Graph, GraphError, LoweredNetwork, NodeId};
use nasprof_lut::{BatchEstimator, CostTable, Estimator, Lut};
use nasprof_spaces::Space;
use rayon::prelude::*;
use thiserror::Error;

use crate::config::Quantity;
use crate::extremum::{Extremum, coordinate_search, starts};

/// An unknown cost.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CostError {
    /// The LUT has no times for layers that the architecture runs.
    #[error("the LUT has no latency of {}", .0.join(", "))]
    Missing(Vec<String>),
    /// The quantity needs a LUT, and there is none.
    #[error("{} needs a LUT", .0.name())]
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
        // Peak memory is a maximum, not a sum.
        if quantity != Quantity::Memory {
            costs.table = CostTable::tabulate(space, |arch| costs.of(arch).ok());
        }
        // If choices depend on each other, a few architectures try all candidates. So a missing layer fails now and not in
        // the middle of a search.
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
                // If the LUT has no row for a layer, its workspace is unknown and the peak would be too small.
                match estimate.latency_ms {
                    Some(_) => Ok(estimate.peak_memory_bytes as f64),
                    None => Err(missing(estimator, &subnet)),
                }
            }
            (quantity, None) => Err(CostError::NoLut(quantity)),
        }
    }

    /// The quantity of many architectures, in parallel. If it is not tabulated, the latencies are those of the batch form,
    /// which ignores the context of a layer ([`BatchEstimator`]).
    ///
    /// # Errors
    /// Those of [`Costs::of`].
    pub fn of_all(&self, space: &Space, archs: &[Arch]) -> Result<Vec<f64>, CostError> {
        if self.table.is_none() {
            match (self.quantity, &self.estimator) {
                (Quantity::Latency, Some(estimator)) => {
                    if let Some(batch) = BatchEstimator::compile(space, self.runtime, estimator) {
                        let mut values = Vec::new();
                        let scored = batch.score_all(archs, &mut values);
                        return scored.map(|()| values).map_err(|e| CostError::Architecture(e.to_string()));
                    }
                }
                (Quantity::Params | Quantity::Macs, _) if self.runtime == Runtime::TorchEager => {
                    let counts = counts(&self.supernet, archs)?;
                    let of = |(params, macs)| if self.quantity == Quantity::Params { params } else { macs };
                    return Ok(counts.into_iter().map(|count| of(count) as f64).collect());
                }
                _ => {}
            }
        }
        archs.par_iter().map(|arch| self.of(arch)).collect()
    }

    /// Whether costs are tabulated: a lookup then takes nanoseconds. Otherwise each cost prunes a network, which takes
    /// milliseconds.
    #[must_use]
    pub fn is_tabulated(&self) -> bool {
        self.table.is_some()
    }

    /// The architecture with the smallest quantity: exact if tabulated, otherwise from a coordinate search.
    ///
    /// # Errors
    /// Those of [`Costs::of`].
    pub fn minimum(&self, space: &Space) -> Result<Extremum, CostError> {
        self.find_at_most(space, f64::NEG_INFINITY)
    }

    /// As [`Costs::minimum`], but a coordinate search stops at the first architecture with at most `bound`.
    ///
    /// # Errors
    /// Those of [`Costs::of`].
    pub fn find_at_most(&self, space: &Space, bound: f64) -> Result<Extremum, CostError> {
        match &self.table {
            Some(table) => Ok(Extremum::exact(table.minimum())),
            None => self.search_extremum(space, |value, other| other < value, |value| value <= bound),
        }
    }

    /// The architecture with the largest quantity; a coordinate search stops at the first one with at least `bound`.
    ///
    /// # Errors
    /// Those of [`Costs::of`].
    pub fn find_at_least(&self, space: &Space, bound: f64) -> Result<Extremum, CostError> {
        match &self.table {
            Some(table) => Ok(Extremum::exact(table.maximum())),
            None => self.search_extremum(space, |value, other| other > value, |value| value >= bound),
        }
    }

    /// The best of coordinate searches.
    fn search_extremum(
        &self,
        space: &Space,
        is_better: impl Fn(f64, f64) -> bool,
        is_enough: impl Fn(f64) -> bool,
    ) -> Result<Extremum, CostError> {
        // Without a batch form each cost prunes a network, which takes milliseconds.
        let drawn = if self.quantity == Quantity::Memory { 30 } else { 1000 };
        let starts = starts(space, drawn, |archs| self.of_all(space, archs), &is_better)?;
        coordinate_search(space, starts, |arch| self.of(arch), is_better, is_enough)
    }
}

/// Architectures per parallel task.
const PART: usize = 512;

/// Parameters and MACs of many architectures, counted over the layers that libtorch runs.
///
/// # Errors
/// The first architecture that is not one of the space.
pub(crate) fn counts(graph: &Graph, archs: &[Arch]) -> Result<Vec<(u64, u64)>, CostError> {
    let nodes = (0..graph.nodes().len()).map(|node| graph.cost_of(&[NodeId(node)]));
    let nodes: Vec<(u64, u64)> = nodes.map(|cost| (cost.params, cost.macs)).collect();
    let selector = Selector::new(graph);
    let mut counts = vec![(0, 0); archs.len()];
    archs.par_chunks(PART).zip(counts.par_chunks_mut(PART)).try_for_each(|(archs, counts)| {
        let mut selector = selector.clone();
        archs.iter().zip(counts).try_for_each(|(arch, count)| {
            let layers = selector.select(arch).map_err(|e| CostError::Architecture(e.to_string()))?;
            for layer in layers {
                let (params, macs) = nodes[layer.node.0];
                *count = (count.0 + params, count.1 + macs);
            }
            Ok::<(), CostError>(())
        })
    })?;
    Ok(counts)
}

fn missing(estimator: &Estimator<'_>, subnet: &LoweredNetwork) -> CostError {
    let nodes = estimator.estimate(subnet).nodes;
    CostError::Missing(
        nodes.into_iter().filter(|n| n.latency_ms.is_none()).map(|n| n.key.to_string()).take(3).collect(),
    )
}
