//! LUT keys: the canonical text of an operation, its attributes and its input shapes, without the batch.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::shape::join;
use crate::{Activation, Function, Graph, Node, Op, PadMode, Shape};

/// Identifies a layer in a LUT. Two nodes have the same key exactly when a runtime does the same work for both; the
/// batch is part of the LUT's context instead.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerKey(pub String);

impl LayerKey {
    /// Key of a node in its graph.
    #[must_use]
    pub fn of(graph: &Graph, node: &Node) -> Self {
        Self::new(&node.op, &graph.input_shapes(node))
    }

    /// Key of an operation on given shapes.
    #[must_use]
    pub fn new(op: &Op, inputs: &[&Shape]) -> Self {
        Self(format!("{}({})[{}]", op.name(), attributes(op), input_shapes(op, inputs)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LayerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The operands' shapes in the form of keys: without the batch, unless the first dimension is not a batch.
#[must_use]
pub fn input_shapes(op: &Op, inputs: &[&Shape]) -> String {
    let text = |shape: &&Shape| if matches!(op, Op::Unbatched { .. }) { join(&shape.0) } else { shape.without_batch() };
    inputs.iter().map(text).collect::<Vec<_>>().join(",")
}

/// Everything about an operation that changes its cost, as `name=value` pairs; defaults are left out.
#[must_use]
pub fn attributes(op: &Op) -> String {
    let mut parts: Vec<String> = Vec::new();
    match op {
        Op::Conv { out_channels, kernel, stride, pad, dilation, groups, bias, activation } => {
            parts.push(format!("out={out_channels}"));
            window(&mut parts, *kernel, *stride, *pad);
            if *dilation != [1, 1] {
                parts.push(format!("dilation={}", join(dilation)));
            }
            if *groups != 1 {
                parts.push(format!("groups={groups}"));
            }
            if *bias {
                parts.push("bias".to_owned());
            }
            match activation {
                Some(Activation::Relu) => parts.push("relu".to_owned()),
                Some(Activation::Relu6) => parts.push("relu6".to_owned()),
                None => {}
            }
        }
        Op::Linear { out_features, bias } => {
            parts.push(format!("out={out_features}"));
            if *bias {
                parts.push("bias".to_owned());
            }
        }
        Op::MaxPool { kernel, stride, pad } => window(&mut parts, *kernel, *stride, *pad),
        Op::AvgPool { kernel, stride, pad, count_padding } => {
            window(&mut parts, *kernel, *stride, *pad);
            if *count_padding && *pad != [0, 0] {
                parts.push("count_padding".to_owned());
            }
        }
        Op::Concat { axis } | Op::Softmax { axis } => parts.push(format!("axis={axis}")),
        Op::Crop { top, left } => parts.push(format!("top={top},left={left}")),
        Op::Pad { padding } => parts.push(format!("padding={}", join(padding))),
        Op::Resize { size, mode } => parts.push(format!("size={},mode={mode:?}", join(size)).to_lowercase()),
        Op::Zero { stride } if *stride != [1, 1] => parts.push(format!("stride={}", join(stride))),
        Op::Elementwise { function, parameters } => match (function, &parameters[..]) {
            // Runtimes compute squares and roots with separate code.
            (Function::Pow, [exponent]) => parts.push(format!("exponent={exponent}")),
            (Function::Clamp, _) | (_, []) => {}
            _ => parts.push("scalar".to_owned()),
        },
        Op::Reduce { axes, keep, .. } => {
            parts.push(format!("axes={}", join(axes)));
            if *keep {
                parts.push("keep".to_owned());
            }
        }
        Op::Transpose { order } => parts.push(format!("order={}", join(order))),
        Op::Reshape { rest } => parts.push(format!("rest={}", join(rest))),
        Op::Slice { axis, start, end, step } => {
            parts.push(format!("axis={axis},start={start},end={end}"));
            if *step != 1 {
                parts.push(format!("step={step}"));
            }
        }
        Op::Gather { axis, count } => parts.push(format!("axis={axis},count={count}")),
        Op::Expand { shape } => parts.push(format!("shape={}", join(&shape.0))),
        Op::ConvNd { out_channels, kernel, stride, pad, dilation, output_pad, groups, bias, .. } => {
            parts.push(format!("out={out_channels}"));
            sizes(&mut parts, "kernel", kernel, usize::MAX);
            sizes(&mut parts, "stride", stride, 1);
            sizes(&mut parts, "pad", pad, 0);
            sizes(&mut parts, "dilation", dilation, 1);
            sizes(&mut parts, "output_pad", output_pad, 0);
            if *groups != 1 {
                parts.push(format!("groups={groups}"));
            }
            if *bias {
                parts.push("bias".to_owned());
            }
        }
        Op::PoolNd { kernel, stride, pad, dilation, ceil, count_padding, .. } => {
            sizes(&mut parts, "kernel", kernel, usize::MAX);
            sizes(&mut parts, "stride", stride, 1);
            sizes(&mut parts, "pad", pad, 0);
            sizes(&mut parts, "dilation", dilation, 1);
            if *ceil {
                parts.push("ceil".to_owned());
            }
            if *count_padding && pad.iter().any(|&p| p > 0) {
                parts.push("count_padding".to_owned());
            }
        }
        Op::PadNd { pads, mode } => {
            parts.push(format!("padding={}", join(&pads.concat())));
            if *mode != PadMode::Constant {
                parts.push(format!("mode={}", mode.name()));
            }
        }
        Op::LayerNorm { axis, bias, .. } => {
            parts.push(format!("axis={axis}"));
            if *bias {
                parts.push("bias".to_owned());
            }
        }
        Op::GroupNorm { groups, .. } => parts.push(format!("groups={groups}")),
        Op::Recurrent { hidden, bidirectional, .. } => {
            parts.push(format!("hidden={hidden}"));
            if *bidirectional {
                parts.push("bidirectional".to_owned());
            }
        }
        Op::Unbatched { op } => {
            parts.extend(Some(attributes(op)).filter(|inner| !inner.is_empty()));
            parts.push("unbatched".to_owned());
        }
        Op::Kernel { op, sum, activation, block } => {
            parts.extend(Some(attributes(op)).filter(|own| !own.is_empty()));
            parts.extend(sum.then(|| "sum".to_owned()));
            if let Some(activation) = activation {
                let own = attributes(activation);
                let own = if own.is_empty() { own } else { format!(":{own}") };
                parts.push(format!("{}{own}", activation.name()));
            }
            parts.extend((*block > 0).then(|| format!("nchw{block}c")));
        }
        Op::Reorder { block, to_blocks } => {
            parts.push(format!("{}=nchw{block}c", if *to_blocks { "to" } else { "from" }));
        }
        Op::Quantized { op, channels_last, .. } => {
            parts.extend(Some(attributes(op)).filter(|own| !own.is_empty()));
            parts.push("int8".to_owned());
            parts.extend(channels_last.then(|| "nhwc".to_owned()));
        }
        Op::ChannelsLast { to } => parts.push(format!("{}=nhwc", if *to { "to" } else { "from" })),
        Op::Custom { attributes, .. } => parts.extend(attributes.iter().map(|(k, v)| format!("{k}={v}"))),
        _ => {}
    }
    parts.join(",")
}

/// Adds a list of sizes, unless all are the default.
fn sizes(parts: &mut Vec<String>, name: &str, values: &[usize], default: usize) {
    if values.iter().any(|&value| value != default) {
        parts.push(format!("{name}={}", join(values)));
    }
}

fn window(parts: &mut Vec<String>, kernel: [usize; 2], stride: [usize; 2], pad: [usize; 2]) {
    parts.push(format!("kernel={}", join(&kernel)));
    if stride != [1, 1] {
        parts.push(format!("stride={}", join(&stride)));
    }
    if pad != [0, 0] {
        parts.push(format!("pad={}", join(&pad)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_leave_the_batch_out_and_everything_else_in() {
        let op = Op::conv(96, 3, 2, 1).with_groups(96);
        let key = |batch| LayerKey::new(&op, &[&Shape::from([batch, 96, 32, 32])]);
        assert_eq!(key(1).as_str(), "conv(out=96,kernel=3x3,stride=2x2,pad=1x1,groups=96)[96x32x32]");
        assert_eq!(key(1), key(8));
        let biased = LayerKey::new(&op.clone().with_bias(), &[&Shape::from([1, 96, 32, 32])]);
        assert_ne!(key(1), biased);
    }

    /// Eight heads and one take different times; without the first dimension their keys would be the same.
    #[test]
    fn a_first_dimension_that_is_no_batch_is_in_the_key() {
        let key = |op: &Op, heads| LayerKey::new(op, &[&Shape::from([heads, 16, 4]), &Shape::from([heads, 4, 16])]);
        let unbatched = Op::Unbatched { op: Box::new(Op::MatMul) };
        assert_eq!(key(&unbatched, 8).as_str(), "matmul(unbatched)[8x16x4,8x4x16]");
        assert_ne!(key(&unbatched, 8), key(&unbatched, 1));
        assert_eq!(key(&Op::MatMul, 8), key(&Op::MatMul, 1), "control: the batch is left out");
    }
}
