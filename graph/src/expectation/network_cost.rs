//! Costs of one network at a time, for enumeration and sampling.

use super::error::ExpectationError;
use super::tables::{LayerCosts, ParameterSizes};
use crate::cost::ELEMENT_BYTES;
use crate::runtime::Runtime;
use crate::selector::Selector;
use crate::{Arch, Graph, LoweredNetwork, Op, Overhead, Shape};

/// Finds the cost of an architecture.
pub(super) trait NetworkCost: Send {
    /// The cost of an architecture that fits the graph.
    fn of(&mut self, arch: &[u16]) -> Result<f64, ExpectationError>;
}

/// Sums of the layers' costs.
pub(super) struct LayerSums {
    selector: Selector,
    costs: LayerCosts,
}

impl LayerSums {
    pub(super) fn new(graph: &Graph, costs: LayerCosts) -> Self {
        Self { selector: Selector::new(graph), costs }
    }
}

impl NetworkCost for LayerSums {
    fn of(&mut self, arch: &[u16]) -> Result<f64, ExpectationError> {
        self.costs.sum_of(self.selector.select_indices(arch)?)
    }
}

/// A function of the sums of the layers' costs.
pub(super) struct FunctionOfSum<F> {
    sums: LayerSums,
    function: F,
}

impl<F> FunctionOfSum<F> {
    pub(super) fn new(sums: LayerSums, function: F) -> Self {
        Self { sums, function }
    }
}

impl<F: Fn(f64) -> f64 + Send> NetworkCost for FunctionOfSum<F> {
    fn of(&mut self, arch: &[u16]) -> Result<f64, ExpectationError> {
        Ok((self.function)(self.sums.of(arch)?))
    }
}

/// Numbers of parameters.
pub(super) struct ParameterCounts {
    selector: Selector,
    sizes: ParameterSizes,
}

impl ParameterCounts {
    pub(super) fn new(graph: &Graph, sizes: ParameterSizes) -> Self {
        Self { selector: Selector::new(graph), sizes }
    }
}

impl NetworkCost for ParameterCounts {
    fn of(&mut self, arch: &[u16]) -> Result<f64, ExpectationError> {
        Ok(self.sizes.sum_of(self.selector.select_indices(arch)?) as f64)
    }
}

/// Peak memory.
pub(super) struct PeakMemory {
    selector: Selector,
    stored: ParameterSizes,
    workspace: Vec<u64>,
    kept: Vec<u64>,
}

impl PeakMemory {
    pub(super) fn new(graph: &Graph, overhead: impl Fn(&Op, &[&Shape], &Shape) -> Overhead) -> Self {
        let of_nodes = graph.nodes().iter().map(|n| overhead(&n.op, &graph.input_shapes(n), &n.shape));
        let (workspace, kept) = of_nodes.map(|overhead| (overhead.workspace, overhead.kept)).unzip();
        let stored = ParameterSizes::new(graph, |cost| cost.params.saturating_add(cost.buffers));
        Self { selector: Selector::new(graph), stored, workspace, kept }
    }
}

impl NetworkCost for PeakMemory {
    fn of(&mut self, arch: &[u16]) -> Result<f64, ExpectationError> {
        let layers = self.selector.select_indices(arch)?;
        let kept = layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(self.kept[layer.node.0]));
        let stored = self.stored.sum_of(layers).saturating_mul(ELEMENT_BYTES).saturating_add(kept);
        Ok(stored.saturating_add(self.selector.peak_bytes(&self.workspace)) as f64)
    }
}

/// A cost of networks that a fusing runtime lowers: each network's graph is built.
pub(super) struct FusedNetworks<F> {
    supernet: Graph,
    runtime: Runtime,
    cost: F,
}

impl<F> FusedNetworks<F> {
    pub(super) fn new(supernet: &Graph, runtime: Runtime, cost: F) -> Self {
        Self { supernet: supernet.clone(), runtime, cost }
    }
}

impl<F: Fn(&LoweredNetwork) -> Result<f64, ExpectationError> + Send> NetworkCost for FusedNetworks<F> {
    fn of(&mut self, arch: &[u16]) -> Result<f64, ExpectationError> {
        let network = self.runtime.subnet(&self.supernet, &Arch(arch.to_vec()))?;
        (self.cost)(&network)
    }
}
