//! Sources of the weights of an exported model.

use nasprof_base::suggest::{did_you_mean, nearest};
use nasprof_graph::parameters::{Initial, ParameterSpec, stream_of};
use nasprof_graph::{Node, Shape};
use rand::Rng;
use safetensors::{Dtype, SafeTensors};

use super::super::error::OnnxError;

/// Prefix that training gives to the names of the network's own tensors.
const NETWORK: &str = "net/";

/// The weights of a network.
#[derive(Debug)]
pub enum Weights<'a> {
    /// Uniform within `sqrt(6 / inputs)` of each output (He et al. 2015), which keeps activations near one: vanishing ones
    /// would become denormal numbers, which are slow.
    Random {
        /// The seed.
        seed: u64,
    },
    /// The weights of a trained network.
    Trained(SafeTensors<'a>),
}

impl<'a> Weights<'a> {
    /// The weights in a safetensors file from `nasprof train`. Tensors have the names of [`ParameterSpec::suffix`],
    /// with or without the prefix `net/`; others are ignored.
    ///
    /// # Errors
    /// If the bytes are no such file.
    pub fn trained(file: &'a [u8]) -> Result<Self, OnnxError> {
        SafeTensors::deserialize(file).map(Self::Trained).map_err(|e| OnnxError::Weights(format!("{e:?}")))
    }

    /// The values of one tensor as 32-bit floats in little-endian order.
    pub(super) fn raw(&self, node: &Node, spec: &ParameterSpec) -> Result<Vec<u8>, OnnxError> {
        let name = format!("{}/{}", node.parameter_path(), spec.suffix);
        match self {
            Self::Random { seed } => Ok(random(*seed, &name, spec)),
            Self::Trained(tensors) => trained(tensors, name, node, spec),
        }
    }
}

fn random(seed: u64, name: &str, spec: &ParameterSpec) -> Vec<u8> {
    let count: usize = spec.dims.iter().product();
    match spec.initial {
        Initial::Constant(value) => (value as f32).to_le_bytes().repeat(count),
        Initial::Random => {
            let inputs: usize = spec.dims[1..].iter().product();
            let limit = (6.0 / inputs.max(1) as f64).sqrt();
            let mut rng = stream_of(seed, name);
            (0..count).flat_map(|_| ((limit * (2.0 * rng.random::<f64>() - 1.0)) as f32).to_le_bytes()).collect()
        }
    }
}

fn trained(tensors: &SafeTensors<'_>, name: String, node: &Node, spec: &ParameterSpec) -> Result<Vec<u8>, OnnxError> {
    let found = tensors.tensor(&format!("{NETWORK}{name}")).or_else(|_| tensors.tensor(&name));
    let Ok(tensor) = found else {
        let known = tensors.names();
        let known = known.iter().map(|known| known.strip_prefix(NETWORK).unwrap_or(known));
        let hint = did_you_mean(nearest(&name, known).as_deref());
        return Err(OnnxError::MissingTensor { node: node.name.clone(), name, hint });
    };
    if tensor.dtype() != Dtype::F32 || tensor.shape() != spec.dims {
        let actual = format!("{:?} of shape {}", tensor.dtype(), Shape(tensor.shape().to_vec()));
        let expected = Shape(spec.dims.clone());
        return Err(OnnxError::WrongTensor { node: node.name.clone(), name, expected, actual });
    }
    Ok(tensor.data().to_vec())
}
