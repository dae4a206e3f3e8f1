//! A search space, or one network, on libtorch: parameters by node path, and forward passes that compute only the nodes they
//! need.

mod distribution;
mod error;
mod forward;
mod mixture;
mod parameters;
mod path;

use std::collections::HashMap;

use nasprof_graph::{Choice, Graph, Op};
use nasprof_torch::Kernel;
use tch::{Device, TchError, Tensor};

use self::mixture::{Taker, takers};
use self::parameters::Use;

pub use distribution::Distribution;
pub use error::NetworkError;
pub use forward::{Output, Phase};
pub use parameters::{Parameter, Parameters};
pub use path::Path;

struct Step {
    kernel: Kernel,
    uses: Vec<Use>,
}

/// A graph with trained parameters. A network without choices is a supernet whose only path is the empty one.
pub struct Supernet {
    graph: Graph,
    choices: Vec<Choice>,
    choice_index: HashMap<String, usize>,
    steps: Vec<Step>,
    /// For each node the choices that read it.
    takers: Vec<Vec<Taker>>,
    parameters: Parameters,
    device: Device,
    channels_last: bool,
    /// The choice that the supernet is split by: each of its candidates has its own copy of all weights.
    split: Option<usize>,
}

impl Supernet {
    /// A supernet with fresh parameters for a graph of batch size 1; passes accept any batch size.
    ///
    /// # Errors
    /// An operation that libtorch does not have, or not enough memory.
    pub fn new(graph: Graph, seed: u64, device: Device) -> Result<Self, NetworkError> {
        let parameters = Parameters::new(&graph, seed, device)?;
        let steps = graph
            .nodes()
            .iter()
            .map(|node| {
                let kernel = match &node.op {
                    // The forward pass handles these without a kernel.
                    Op::Input { .. } | Op::Zero { .. } | Op::Zeros { .. } | Op::Choice { .. } => Ok(Kernel::Identity),
                    op => Kernel::new(op),
                };
                let kernel = kernel.map_err(|message| NetworkError::Layer { node: node.name.clone(), message })?;
                Ok(Step { kernel, uses: parameters.uses(node, &graph.input_shapes(node)) })
            })
            .collect::<Result<_, NetworkError>>()?;
        let choices = graph.choices();
        let choice_index = choices.iter().enumerate().map(|(i, c)| (c.name.clone(), i)).collect();
        let takers = takers(&graph, &choice_index);
        Ok(Self { takers, graph, choices, choice_index, steps, parameters, device, channels_last: false, split: None })
    }

    /// The same network with `parts` copies of its weights, for [`Supernet::split_by`].
    ///
    /// # Errors
    /// libtorch's, if memory is insufficient.
    pub fn with_parts(mut self, parts: usize) -> Result<Self, NetworkError> {
        self.parameters = self.parameters.copied(parts)?;
        Ok(self)
    }

    /// Gives each candidate of a choice its own copy of all weights (few-shot NAS, Zhao et al., ICML 2021). A path uses the
    /// copy of the candidate that it selects. All copies begin with the current weights.
    ///
    /// # Errors
    /// libtorch's.
    pub fn split_by(&mut self, choice: usize) -> Result<(), NetworkError> {
        self.parameters.copy_to_all_parts()?;
        self.split = Some(choice);
        Ok(())
    }

    /// The choice that the supernet is split by.
    #[must_use]
    pub fn split(&self) -> Option<usize> {
        self.split
    }

    /// Restores the choice of a supernet that was split before.
    pub(crate) fn restore_split(&mut self, choice: Option<usize>) {
        self.split = choice;
    }

    /// The index of the copy of the weights that a path uses.
    fn part_of(&self, path: Path<'_>) -> usize {
        match (self.split, path) {
            (Some(choice), Path::Selected(arch)) => arch.0.get(choice).map_or(0, |&candidate| usize::from(candidate)),
            _ => 0,
        }
    }

    /// The same network in the channels-last memory layout. Create optimizers and other users of its parameters afterwards.
    ///
    /// # Errors
    /// libtorch's, if memory is insufficient.
    pub fn with_channels_last(mut self) -> Result<Self, NetworkError> {
        self.parameters.lay_out_channels_last()?;
        self.channels_last = true;
        Ok(self)
    }

    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Its choices; selections and probabilities are in this order.
    #[must_use]
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// The trained tensors.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Whether all parameters are finite.
    ///
    /// # Errors
    /// libtorch's.
    pub fn is_finite(&self) -> Result<bool, NetworkError> {
        let finite = |p: &Parameter| p.tensor.f_isfinite()?.f_all();
        let each = self.parameters.all().iter().map(finite).collect::<Result<Vec<_>, TchError>>()?;
        // One read for all tensors.
        Ok(each.is_empty() || Tensor::f_stack(&each, 0)?.f_all()?.f_int64_value(&[])? == 1)
    }

    /// Where the tensors are.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device
    }

    /// Gradients of a loss for some of the parameters, in their order. Parameters that the loss does not depend on have
    /// none.
    ///
    /// # Errors
    /// If the loss is not a scalar or has no gradient.
    pub fn gradients(&self, loss: &Tensor, parameters: &[usize]) -> Result<Vec<(usize, Tensor)>, NetworkError> {
        let inputs: Vec<&Tensor> = parameters.iter().map(|&i| &self.parameters.all()[i].tensor).collect();
        let gradients = Tensor::f_run_backward(&[loss], &inputs, false, false)?;
        Ok(parameters.iter().copied().zip(gradients).filter(|(_, g)| g.defined()).collect())
    }
}
