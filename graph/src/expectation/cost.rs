//! The expected cost of a network and its gradient with respect to the probabilities.

use super::circuit::Circuit;
use super::decision::Ref;
use super::demand::Demands;
use super::distributions::{check, check_form};
use super::enumerated::Enumerated;
use super::error::ExpectationError;
use super::network_cost::{FusedNetworks, LayerSums, NetworkCost, ParameterCounts, PeakMemory, SizedSums};
use super::product::Product;
use super::sampled::{Sampled, Sampling};
use super::tables::{LayerCosts, ParameterSizes};
use crate::arch::Choice;
use crate::cost::{StaticCost, op_cost};
use crate::runtime::Runtime;
use crate::size::{self, SIZES, Slope};
use crate::{Graph, LoweredNetwork, Node, Op, Overhead, Shape};

/// How an expected cost is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Exactly: propagates the probability that each layer runs through the graph, with pruning.
    Exact,
    /// To second order, from the exact means and the covariances of sums: a product has no exact sum over choices.
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
    SecondOrder(Box<Product>),
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

    /// As [`ExpectedCost::of_layers`], with each network's sum multiplied by a factor that depends on its size.
    ///
    /// # Errors
    /// A layer whose cost is not known, though some network runs it.
    pub fn of_layers_by_size(
        graph: &Graph,
        runtime: Runtime,
        cost: impl Fn(&Op, &[&Shape], &Shape) -> Option<f64> + Send + 'static,
        slopes: [Slope; SIZES],
        sampling: Sampling,
    ) -> Result<Self, ExpectationError> {
        if runtime.fuses() {
            let product = move |network: &LoweredNetwork| {
                let sizes = size::sizes(network.cost(), network.keyed_layers().len());
                Ok(LayerCosts::new(network, &cost).sum()? * size::factor(&slopes, &sizes))
            };
            return Self::of_networks(graph, FusedNetworks::new(graph, runtime, product), sampling);
        }
        let costs = LayerCosts::new(graph, cost);
        let candidates: Vec<usize> = graph.choices().iter().map(|c| c.candidates.len()).collect();
        if Enumerated::count(candidates.iter().copied()).is_none()
            && let Some(parts) = sum_and_sizes(graph, &costs)?
        {
            let product = Product::new(&candidates, parts, slopes);
            return Ok(Self::new(graph, Evaluator::SecondOrder(Box::new(product)), sampling));
        }
        Self::of_networks(graph, SizedSums::new(graph, costs, slopes), sampling)
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
            Evaluator::SecondOrder(product) => Ok(product.value(probabilities)),
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
            Evaluator::SecondOrder(product) => Ok(product.conditional(probabilities, gradient)),
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

/// The circuits of a sum of layers and of [`size::sizes`]; `None` if the choices depend on each other too much.
fn sum_and_sizes(graph: &Graph, costs: &LayerCosts) -> Result<Option<[Circuit; 5]>, ExpectationError> {
    let Some(mut demands) = Demands::of(graph) else { return Ok(None) };
    let by_layer = |of: fn(StaticCost) -> f64| {
        LayerCosts::new(graph, move |op, inputs, output| Some(of(op_cost(op, inputs, output))))
    };
    let sums = [
        costs.weights(graph, &mut demands)?,
        ParameterSizes::new(graph, |cost| cost.params).weights(&mut demands),
        by_layer(|cost| cost.macs as f64).weights(graph, &mut demands)?,
        by_layer(|cost| cost.bytes_written as f64).weights(graph, &mut demands)?,
        by_layer(|_| 1.0).weights(graph, &mut demands)?,
    ];
    let [Some(sum), Some(params), Some(macs), Some(bytes), Some(layers)] = sums else { return Ok(None) };
    Ok(Some([sum, params, macs, bytes, layers].map(|weights| Circuit::new(&demands.diagrams, &weights))))
}
