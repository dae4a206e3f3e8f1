//! The tensors that an operation stores: names, shapes and initialisation. Every reader and writer of weights uses
//! this list.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::{Op, Shape};

/// How a tensor is initialised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initial {
    /// Sampled at random; the caller chooses the distribution.
    Random,
    /// The same value everywhere.
    Constant(f64),
}

/// One tensor of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// Its role, such as `weight` and `bias`, or `scale`, `shift`, `mean` and `variance` of a normalisation. The tensor's
    /// full name is [`crate::Node::parameter_path`], a slash, and this suffix.
    pub suffix: &'static str,
    /// Its shape: a convolution's weight is `(out, in / groups, kh, kw)`, a fully connected layer's `(out, in)`.
    pub dims: Vec<usize>,
    /// Whether gradients train it; running statistics are kept by the forward pass.
    pub trainable: bool,
    /// Its initial value.
    pub initial: Initial,
}

/// The tensors of an operation on inputs of given shapes, in the order that runtimes take them.
#[must_use]
pub fn specs_of(op: &Op, inputs: &[&Shape]) -> Vec<ParameterSpec> {
    let weight = |dims: Vec<usize>| ParameterSpec { suffix: "weight", dims, trainable: true, initial: Initial::Random };
    let vector = |suffix, length, trainable, value| ParameterSpec {
        suffix,
        dims: vec![length],
        trainable,
        initial: Initial::Constant(value),
    };
    match op {
        Op::Conv { out_channels, kernel, groups, bias, .. } => {
            let dims = [*out_channels, inputs[0].channels() / groups, kernel[0], kernel[1]];
            let bias = bias.then(|| vector("bias", *out_channels, true, 0.0));
            std::iter::once(weight(dims.to_vec())).chain(bias).collect()
        }
        Op::Linear { out_features, bias } => {
            let features = inputs[0].0.last().copied().unwrap_or(1);
            let bias = bias.then(|| vector("bias", *out_features, true, 0.0));
            std::iter::once(weight(vec![*out_features, features])).chain(bias).collect()
        }
        Op::BatchNorm { .. } => {
            let of = |suffix, trainable, value| vector(suffix, inputs[0].channels(), trainable, value);
            vec![of("scale", true, 1.0), of("shift", true, 0.0), of("mean", false, 0.0), of("variance", false, 1.0)]
        }
        Op::ConvNd { out_channels, kernel, groups, bias, transposed, .. } => {
            let channels = inputs[0].channels();
            let (first, second) =
                if *transposed { (channels, out_channels / groups) } else { (*out_channels, channels / groups) };
            let bias = bias.then(|| vector("bias", *out_channels, true, 0.0));
            std::iter::once(weight([&[first, second], &kernel[..]].concat())).chain(bias).collect()
        }
        Op::LayerNorm { axis, bias, .. } => {
            let dims = inputs[0].0.get(*axis..).unwrap_or_default().to_vec();
            let of = |suffix, value| ParameterSpec {
                suffix,
                dims: dims.clone(),
                trainable: true,
                initial: Initial::Constant(value),
            };
            std::iter::once(of("scale", 1.0)).chain(bias.then(|| of("shift", 0.0))).collect()
        }
        Op::GroupNorm { .. } => {
            let channels = inputs[0].channels();
            vec![vector("scale", channels, true, 1.0), vector("shift", channels, true, 0.0)]
        }
        Op::Recurrent { cell, hidden, bidirectional } => {
            let features = inputs[0].0.last().copied().unwrap_or(1);
            let rows = cell.gates() * hidden;
            let direction = |[input, state, input_bias, state_bias]: [&'static str; 4]| {
                let matrix = |suffix, columns| ParameterSpec { suffix, ..weight(vec![rows, columns]) };
                let bias = |suffix| vector(suffix, rows, true, 0.0);
                [matrix(input, features), matrix(state, *hidden), bias(input_bias), bias(state_bias)]
            };
            let forward = direction(["weight_ih", "weight_hh", "bias_ih", "bias_hh"]);
            let backward = ["weight_ih_reverse", "weight_hh_reverse", "bias_ih_reverse", "bias_hh_reverse"];
            forward.into_iter().chain(bidirectional.then(|| direction(backward)).into_iter().flatten()).collect()
        }
        // 0.5 causes no division by zero and no logarithm of a negative number.
        Op::Constant { shape } => vec![ParameterSpec {
            suffix: "value",
            dims: shape.0.clone(),
            trainable: true,
            initial: Initial::Constant(0.5),
        }],
        Op::Unbatched { op } | Op::Kernel { op, .. } | Op::Quantized { op, .. } => specs_of(op, inputs),
        _ => Vec::new(),
    }
}

/// The random stream of one tensor. It depends on the seed and the tensor's name only, so a layer has the same initial
/// values in every graph that contains it.
#[must_use]
pub fn stream_of(seed: u64, name: &str) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // FNV-1a of the name.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    rng.set_stream(name.bytes().fold(0xcbf2_9ce4_8422_2325, step));
    rng
}
