//! The trained tensors of a graph, by the path of their node.

use std::collections::BTreeMap;

use nasprof_graph::parameters::{Initial, ParameterSpec, specs_of, stream_of};
use nasprof_graph::{Graph, Node, Op, Shape};
use rand::Rng;
use tch::{Device, TchError, Tensor};

use crate::device::channels_last;

/// One tensor.
#[derive(Debug)]
pub struct Parameter {
    /// Path of its node and its kind: `stem/conv/weight`. Kinds are `weight` and `bias`; for a normalisation `scale`,
    /// `shift`, `mean` and `variance`.
    pub name: String,
    /// Its value.
    pub tensor: Tensor,
    /// Whether gradients train it. The forward pass updates running statistics.
    pub trainable: bool,
}

/// All tensors of a graph, each once, in the order of their names.
#[derive(Debug)]
pub struct Parameters {
    all: Vec<Parameter>,
    index: BTreeMap<String, usize>,
    /// Number of tensors of the graph. Copies of all of them follow, for the parts of a split supernet.
    own: usize,
}

/// A node's use of a tensor: which, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) parameter: usize,
    pub(super) dims: Vec<i64>,
}

impl Parameters {
    /// Fresh tensors for a graph. Each is drawn from its own stream, which depends only on the seed and its name. So a layer
    /// has the same initial weights in every graph.
    ///
    /// # Errors
    /// libtorch's, if memory is insufficient or the device is not available.
    pub fn new(graph: &Graph, seed: u64, device: Device) -> Result<Self, TchError> {
        let mut described: BTreeMap<String, ParameterSpec> = BTreeMap::new();
        for node in graph.nodes() {
            for one in describe(&node.op, &graph.input_shapes(node)) {
                let part = one.dims.clone();
                let largest = described.entry(name_of(node, one.suffix)).or_insert(one);
                // Nodes that share a tensor use parts of the largest one.
                largest.dims.iter_mut().zip(part).for_each(|(all, part)| *all = (*all).max(part));
            }
        }
        let mut all = Vec::with_capacity(described.len());
        for (name, ParameterSpec { dims, trainable, initial, .. }) in described {
            let count = dims.iter().product();
            let values = match initial {
                Initial::Constant(value) => vec![value as f32; count],
                Initial::Random => glorot(&dims, count, seed, &name),
            };
            let tensor = Tensor::f_from_slice(&values)?.f_reshape(sizes(&dims))?.f_to_device(device)?;
            all.push(Parameter { name, tensor: tensor.f_set_requires_grad(trainable)?, trainable });
        }
        let index = all.iter().enumerate().map(|(i, p)| (p.name.clone(), i)).collect();
        let own = all.len();
        Ok(Self { all, index, own })
    }

    /// Adds copies of all tensors, named `split/1/…` and so on, until there are `parts` of each.
    pub(super) fn copied(mut self, parts: usize) -> Result<Self, TchError> {
        for part in 1..parts {
            for i in 0..self.own {
                let Parameter { name, tensor, trainable } = &self.all[i];
                let (name, trainable) = (format!("split/{part}/{name}"), *trainable);
                let own = tensor.f_detach()?;
                let mut copy = own.f_zeros_like()?;
                copy.f_copy_(&own)?;
                let tensor = copy.f_set_requires_grad(trainable)?;
                self.index.insert(name.clone(), self.all.len());
                self.all.push(Parameter { name, tensor, trainable });
            }
        }
        Ok(self)
    }

    /// Sets all copies to the tensors of the first part.
    pub(super) fn copy_to_all_parts(&self) -> Result<(), TchError> {
        let _guard = tch::no_grad_guard();
        for (i, parameter) in self.all.iter().enumerate().skip(self.own) {
            parameter.tensor.shallow_clone().f_copy_(&self.all[i % self.own].tensor)?;
        }
        Ok(())
    }

    /// The position of a tensor in a part of a split supernet.
    pub(super) fn in_part(&self, parameter: usize, part: usize) -> usize {
        parameter + part * self.own
    }

    /// Converts the kernels of convolutions to the channels-last layout.
    pub(super) fn lay_out_channels_last(&mut self) -> Result<(), TchError> {
        for parameter in &mut self.all {
            let tensor = channels_last(&parameter.tensor.f_detach()?)?;
            parameter.tensor = tensor.f_set_requires_grad(parameter.trainable)?;
        }
        Ok(())
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Parameter] {
        &self.all
    }

    /// One by its name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Parameter> {
        self.index.get(name).map(|&i| &self.all[i])
    }

    /// Number of trained values.
    #[must_use]
    pub fn trainable_count(&self) -> usize {
        self.all.iter().filter(|p| p.trainable).map(|p| p.tensor.numel()).sum()
    }

    /// The running statistics of all normalisations.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Tensor> {
        let runs = |p: &&Parameter| p.name.ends_with("/mean") || p.name.ends_with("/variance");
        self.all.iter().filter(runs).map(|p| &p.tensor)
    }

    /// The tensors that a node reads, in the order of its kernel's arguments.
    pub(super) fn uses(&self, node: &Node, inputs: &[&Shape]) -> Vec<Use> {
        let described = describe(&node.op, inputs);
        described
            .into_iter()
            .map(|d| Use { parameter: self.index[&name_of(node, d.suffix)], dims: sizes(&d.dims) })
            .collect()
    }

    /// The part of a tensor that a node uses: the first channels and the middle of the kernel. `part` is the part of a split
    /// supernet.
    pub(super) fn used(&self, used: &Use, part: usize) -> Result<Tensor, TchError> {
        let mut tensor = self.all[self.in_part(used.parameter, part)].tensor.shallow_clone();
        for (axis, (&all, &part)) in tensor.size().iter().zip(&used.dims).enumerate() {
            if part < all {
                let start = if axis < 2 { 0 } else { (all - part) / 2 };
                tensor = tensor.f_narrow(axis as i64, start, part)?;
            }
        }
        Ok(tensor)
    }
}

fn name_of(node: &Node, suffix: &str) -> String {
    format!("{}/{suffix}", node.parameter_path())
}

fn describe(op: &Op, inputs: &[&Shape]) -> Vec<ParameterSpec> {
    match op {
        // Not trained, but the kernel takes it as a tensor.
        Op::LeakyRelu { slope } => {
            vec![ParameterSpec { suffix: "slope", dims: vec![1], trainable: false, initial: Initial::Constant(*slope) }]
        }
        _ => specs_of(op, inputs),
    }
}

fn sizes(dims: &[usize]) -> Vec<i64> {
    dims.iter().map(|&d| d as i64).collect()
}

/// Uniform within `± sqrt(6 / ((in + out) * kernel))` (Glorot and Bengio 2010), as in the reference.
fn glorot(dims: &[usize], count: usize, seed: u64, name: &str) -> Vec<f32> {
    let kernel: usize = dims[2..].iter().product();
    let limit = (6.0 / ((dims[0] + dims[1]) * kernel) as f64).sqrt();
    let mut rng = stream_of(seed, name);
    (0..count).map(|_| (limit * (2.0 * rng.random::<f64>() - 1.0)) as f32).collect()
}
