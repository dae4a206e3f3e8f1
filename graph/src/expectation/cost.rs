//! The expected cost of a network and its gradient with respect to the probabilities.

use super::circuit::Circuit;
use super::decision::Ref;
use super::demand::Demands;
use super::distributions::{check, check_form};
use super::enumerated::Enumerated;
use super::error::ExpectationError;
use super::network_cost::{FunctionOfSum, FusedNetworks, LayerSums, NetworkCost, ParameterCounts, PeakMemory};
use super::of_sum::OfSum;
use super::sampled::{Sampled, Sampling};
use super::tables::{LayerCosts, ParameterSizes};
use crate::arch::Choice;
use crate::cost::op_cost;
use crate::runtime::Runtime;
use crate::{Graph, LoweredNetwork, Node, Op, Overhead, Shape};

/// How an expected cost is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Exactly: propagates the probability that each layer runs through the graph, with pruning.
    Exact,
    /// To second order, from the exact mean and the variance of a sum: a function of a sum is no sum over choices.
    SecondOrder,
    /// Exactly: sums over every architecture.
    Enumerated {
        /// How many there are.
        networks: usize,
    },
    /// As a mean over drawn architectures.
    Sampled {
        /// Architectures drawn for each evaluation.
        samples: u32,
        /// Seed of the random numbers.
        seed: u64,
    },
}

/// Expected cost of the network when every choice is drawn independently from a distribution of its own.
///
/// Each network is lowered as the runtime does it: pruned, zeros folded. Evaluation allocates nothing, unless it draws
/// networks of a runtime that fuses.
#[derive(Debug)]
pub struct ExpectedCost {
    choices: Vec<Choice>,
    evaluator: Evaluator,
    sampling: Sampling,
}

#[derive(Debug)]
enum Evaluator {
    Exact(Circuit),
    SecondOrder(Box<OfSum>),
    Enumerated(Enumerated),
    Sampled(Box<Sampled>),
}

impl ExpectedCost {
    /// The expected sum of the layers' costs, such as latencies from a LUT. `cost` gets an operation, its input shapes
    /// and its output shape, and returns `None` for an unknown cost.
    ///
    /// # Errors
    /// A layer whose cost is not known, though some network runs it.
    pub fn of_layers(
        graph: &Graph,
        runtime: Runtime,
        cost: impl Fn(&Op, &[&Shape], &Shape) -> Option<f64> + Send + 'static,
        sampling: Sampling,
    ) -> Result<Self, ExpectationError> {
        if runtime.fuses() {
            let sum = move |network: &LoweredNetwork| LayerCosts::new(network, &cost).sum();
            return Self::of_networks(graph, FusedNetworks::new(graph, runtime, sum), sampling);
        }
        let costs = LayerCosts::new(graph, cost);
        if let Some(circuit) = exact(graph, |demands| costs.weights(graph, demands))? {
            return Ok(Self::new(graph, Evaluator::Exact(circuit), sampling));
        }
        Self::of_networks(graph, LayerSums::new(graph, costs), sampling)
    }

    /// As [`ExpectedCost::of_layers`], of a `function` of each network's sum that is nearly straight over the space.
    ///
    /// # Errors
    /// A layer whose cost is not known, though some network runs it.
    pub fn of_layers_by(
        graph: &Graph,
        runtime: Runtime,
        cost: impl Fn(&Op, &[&Shape], &Shape) -> Option<f64> + Send + 'static,
        function: impl Fn(f64) -> f64 + Send + 'static,
        sampling: Sampling,
    ) -> Result<Self, ExpectationError> {
        if runtime.fuses() {
            let value = move |network: &LoweredNetwork| Ok(function(LayerCosts::new(network, &cost).sum()?));
            return Self::of_networks(graph, FusedNetworks::new(graph, runtime, value), sampling);
        }
        let costs = LayerCosts::new(graph, cost);
        let candidates: Vec<usize> = graph.choices().iter().map(|c| c.candidates.len()).collect();
        if Enumerated::count(candidates.iter().copied()).is_none()
            && let Some(sum) = exact(graph, |demands| costs.weights(graph, demands))?
        {
            let of_sum = OfSum::new(&candidates, sum, Box::new(function));
            return Ok(Self::new(graph, Evaluator::SecondOrder(Box::new(of_sum)), sampling));
        }
        Self::of_networks(graph, FunctionOfSum::new(LayerSums::new(graph, costs), function), sampling)
    }

    /// Expected multiply-accumulates.
    ///
    /// # Errors
    /// None: they are known of every layer.
    pub fn macs(graph: &Graph, runtime: Runtime, sampling: Sampling) -> Result<Self, ExpectationError> {
        let macs = |op: &Op, inputs: &[&Shape], output: &Shape| Some(op_cost(op, inputs, output).macs as f64);
        Self::of_layers(graph, runtime, macs, sampling)
    }

    /// Expected trainable parameters. Parameters that several layers share count once, at the largest size that runs.
    ///
    /// # Errors
    /// None: they are known of every layer.
    pub fn params(graph: &Graph, runtime: Runtime, sampling: Sampling) -> Result<Self, ExpectationError> {
        if runtime.fuses() {
            let params = |network: &LoweredNetwork| Ok(network.cost().params as f64);
            return Self::of_networks(graph, FusedNetworks::new(graph, runtime, params), sampling);
        }
        let sizes = ParameterSizes::new(graph, |cost| cost.params);
        if let Some(circuit) = exact(graph, |demands| Ok(sizes.weights(demands)))? {
            return Ok(Self::new(graph, Evaluator::Exact(circuit), sampling));
        }
        Self::of_networks(graph, ParameterCounts::new(graph, sizes), sampling)
    }

    /// Expected peak memory in bytes: parameters, and the most bytes of activations and workspace of the running layer
    /// alive at once. A maximum is not a sum over layers, so architectures are enumerated or drawn.
    ///
    /// # Errors
    /// None: every network has a peak.
    pub fn peak_memory(
        graph: &Graph,
        runtime: Runtime,
        overhead: impl Fn(&Op, &[&Shape], &Shape) -> Overhead + Send + 'static,
        sampling: Sampling,
    ) -> Result<Self, ExpectationError> {
        if runtime.fuses() {
            let bytes = move |network: &LoweredNetwork| {
                let of_node = |node: &Node| overhead(&node.op, &network.input_shapes(node), &node.shape);
                Ok(network.peak_memory_bytes(of_node) as f64)
            };
            return Self::of_networks(graph, FusedNetworks::new(graph, runtime, bytes), sampling);
        }
        Self::of_networks(graph, PeakMemory::new(graph, overhead), sampling)
    }

    fn of_networks(
        graph: &Graph,
        mut cost: impl NetworkCost + 'static,
        sampling: Sampling,
    ) -> Result<Self, ExpectationError> {
        let candidates = graph.choices().iter().map(|c| c.candidates.len()).collect();
        let evaluator = match Enumerated::new(candidates, |arch| cost.of(arch))? {
            Some(enumerated) => Evaluator::Enumerated(enumerated),
            None => Evaluator::Sampled(Box::new(Sampled::new(graph.choices().len(), sampling, Box::new(cost)))),
        };
        Ok(Self::new(graph, evaluator, sampling))
    }

    fn new(graph: &Graph, evaluator: Evaluator, sampling: Sampling) -> Self {
        Self { choices: graph.choices(), evaluator, sampling }
    }

    /// How the value is computed.
    #[must_use]
    pub fn method(&self) -> Method {
        match &self.evaluator {
            Evaluator::Exact(_) => Method::Exact,
            Evaluator::SecondOrder(_) => Method::SecondOrder,
            Evaluator::Enumerated(enumerated) => Method::Enumerated { networks: enumerated.networks() },
            Evaluator::Sampled(_) => Method::Sampled { samples: self.sampling.samples, seed: self.sampling.seed },
        }
    }

    /// The expected cost.
    ///
    /// # Errors
    /// If the probabilities, in the order of [`Graph::choices`], do not fit the choices; or if a layer of a drawn
    /// network has no known cost.
    pub fn value(&mut self, probabilities: &[Vec<f64>]) -> Result<f64, ExpectationError> {
        check(&self.choices, probabilities)?;
        match &mut self.evaluator {
            Evaluator::Exact(circuit) => Ok(circuit.value(probabilities)),
            Evaluator::SecondOrder(of_sum) => Ok(of_sum.value(probabilities)),
            Evaluator::Enumerated(enumerated) => Ok(enumerated.value(probabilities)),
            Evaluator::Sampled(sampled) => sampled.value(probabilities),
        }
    }

    /// The expected cost, and its gradient in `gradient`: for each candidate, the expected cost of the networks that
    /// select it. This is the partial derivative of `Σ p · E[cost | candidate]`. Its differences among the candidates of a
    /// choice say how the value changes when probability moves from one to another; a softmax in front needs no more.
    ///
    /// # Errors
    /// As [`ExpectedCost::value`], or if `gradient` does not have the form of the probabilities.
    pub fn evaluate(&mut self, probabilities: &[Vec<f64>], gradient: &mut [Vec<f64>]) -> Result<f64, ExpectationError> {
        check(&self.choices, probabilities)?;
        check_form(&self.choices, gradient)?;
        match &mut self.evaluator {
            Evaluator::Exact(circuit) => Ok(circuit.conditional(probabilities, gradient)),
            Evaluator::SecondOrder(of_sum) => Ok(of_sum.conditional(probabilities, gradient)),
            Evaluator::Enumerated(enumerated) => Ok(enumerated.conditional(probabilities, gradient)),
            Evaluator::Sampled(sampled) => sampled.conditional(probabilities, gradient),
        }
    }

    /// The choices, in the order in which probabilities are given.
    #[must_use]
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }
}

/// The circuit of a sum; `None` if the choices depend on each other too much.
fn exact(
    graph: &Graph,
    weights: impl FnOnce(&mut Demands) -> Result<Option<Vec<(Ref, f64)>>, ExpectationError>,
) -> Result<Option<Circuit>, ExpectationError> {
    let Some(mut demands) = Demands::of(graph) else { return Ok(None) };
    Ok(weights(&mut demands)?.map(|weights| Circuit::new(&demands.diagrams, &weights)))
}
