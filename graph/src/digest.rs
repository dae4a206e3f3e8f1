//! The digest that identifies a graph in files: [`Graph::digest`].
//!
//! The digest is the SHA-256 of these bytes, written as `sha256:` and 64 lower-case hexadecimal digits:
//!
//! - the text `nasprof graph 1`, the list of nodes, the list of outputs;
//! - a node: its name, its operation, its inputs, its shape, where its parameters are stored;
//! - an operation: its type as graph files write it (`conv`), then its attributes in the order in which [`Op`] declares
//!   them;
//! - a number, also the position of a node: 8 bytes, little-endian; a float: its IEEE 754 bits in the same form, with -0
//!   as 0; true or false: one byte, 1 or 0;
//! - a text: the number of its bytes, then the bytes, UTF-8; a list: the number of its elements, then the elements; a pair
//!   or another array of fixed size: only its elements; a map: the number of its entries, then keys and values in the
//!   order of the keys;
//! - an optional value: one byte, 0 if it is absent, else 1 and the value.
//!
//! A new attribute of an operation must not change the digests of graphs without it: hash it only if it differs from
//! its default.

use std::collections::BTreeMap;

use nasprof_base::text::hex;
use sha2::{Digest as _, Sha256};

use crate::{Activation, Graph, Node, Op, ResizeMode};

/// What the digest of this version starts with.
const PREFIX: &str = "sha256:";

/// Identifies a graph in files: by its digest, or by the legacy digest of older files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    digest: String,
    legacy: String,
}

impl Identity {
    /// The digest to write, see [`Graph::digest`].
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether a digest from a file, of this or an older version, is the graph's.
    #[must_use]
    pub fn is(&self, stored: &str) -> bool {
        stored == self.digest || stored == self.legacy
    }

    /// Whether a digest from a file has the form of older versions.
    #[must_use]
    pub fn is_older(stored: &str) -> bool {
        !stored.starts_with(PREFIX)
    }
}

impl Graph {
    /// `sha256:` and the SHA-256 of everything in the graph in the encoding of [this file](crate::digest): equal graphs
    /// have equal digests, with every version and on every machine.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut bytes = Bytes(Sha256::new());
        bytes.text("nasprof graph 1");
        bytes.list(self.nodes(), Bytes::node);
        bytes.list(self.outputs(), |bytes, id| bytes.number(id.0));
        format!("{PREFIX}{}", hex(&bytes.0.finalize()))
    }

    /// The digest, and the legacy digest of files from before it was a SHA-256.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { digest: self.digest(), legacy: legacy(self) }
    }
}

/// FNV-1a of the `{:?}` text. It only serves to recognise old files: the compiler does not guarantee that text.
fn legacy(graph: &Graph) -> String {
    let text = format!("{:?}", (graph.nodes(), graph.outputs()));
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Takes values in their encoding.
struct Bytes(Sha256);

impl Bytes {
    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }

    fn float(&mut self, number: f64) {
        // Adding 0 turns -0 into 0: the two are equal, so graphs that differ only in them are equal.
        self.0.update((number + 0.0).to_bits().to_le_bytes());
    }

    fn bool(&mut self, value: bool) {
        self.0.update([u8::from(value)]);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text.as_bytes());
    }

    fn array(&mut self, numbers: &[usize]) {
        numbers.iter().for_each(|&number| self.number(number));
    }

    fn list<T>(&mut self, list: &[T], element: impl Fn(&mut Self, &T)) {
        self.number(list.len());
        list.iter().for_each(|value| element(self, value));
    }

    fn optional<T>(&mut self, value: Option<T>, present: impl FnOnce(&mut Self, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            present(self, value);
        }
    }

    fn numbers(&mut self, numbers: &[usize]) {
        self.list(numbers, |bytes, &number| bytes.number(number));
    }

    fn map(&mut self, map: &BTreeMap<String, String>) {
        self.number(map.len());
        for (key, value) in map {
            self.text(key);
            self.text(value);
        }
    }

    fn node(&mut self, node: &Node) {
        // All fields are named, here and below: a new field does not compile until it is hashed.
        let Node { name, op, inputs, shape, parameters } = node;
        self.text(name);
        self.op(op);
        self.list(inputs, |bytes, id| bytes.number(id.0));
        self.numbers(&shape.0);
        self.optional(parameters.as_deref(), Self::text);
    }

    fn op(&mut self, op: &Op) {
        // `Op::name` of these depends on attributes, and a custom kind may equal another operation's name.
        self.text(match op {
            Op::Custom { .. } => "custom",
            Op::Elementwise { .. } => "elementwise",
            Op::Reduce { .. } => "reduce",
            Op::ConvNd { .. } => "conv_nd",
            Op::PoolNd { .. } => "pool_nd",
            Op::Recurrent { .. } => "recurrent",
            Op::Unbatched { .. } => "unbatched",
            Op::Kernel { .. } => "kernel",
            Op::Quantized { .. } => "quantized",
            Op::ChannelsLast { .. } => "channels_last",
            op => op.name(),
        });
        match op {
            Op::Input { shape } | Op::Zeros { shape } => self.numbers(&shape.0),
            Op::Conv { out_channels, kernel, stride, pad, dilation, groups, bias, activation } => {
                self.number(*out_channels);
                [kernel, stride, pad, dilation].into_iter().for_each(|pair| self.array(pair));
                self.number(*groups);
                self.bool(*bias);
                self.optional(*activation, Self::activation);
            }
            Op::Linear { out_features, bias } => {
                self.number(*out_features);
                self.bool(*bias);
            }
            Op::BatchNorm { epsilon } => self.float(*epsilon),
            Op::LeakyRelu { slope } => self.float(*slope),
            Op::Softmax { axis } | Op::Concat { axis } => self.number(*axis),
            Op::MaxPool { kernel, stride, pad } => {
                [kernel, stride, pad].into_iter().for_each(|pair| self.array(pair));
            }
            Op::AvgPool { kernel, stride, pad, count_padding } => {
                [kernel, stride, pad].into_iter().for_each(|pair| self.array(pair));
                self.bool(*count_padding);
            }
            Op::Dropout { probability } | Op::DropPath { probability } => self.float(*probability),
            Op::Crop { top, left } => self.array(&[*top, *left]),
            Op::Pad { padding } => self.array(padding),
            Op::Resize { size, mode } => {
                self.array(size);
                self.text(match mode {
                    ResizeMode::Nearest => "nearest",
                    ResizeMode::Bilinear => "bilinear",
                    ResizeMode::Bicubic => "bicubic",
                });
            }
            Op::Elementwise { function, parameters } => {
                self.text(function.name());
                self.list(parameters, |bytes, &parameter| bytes.float(parameter));
            }
            Op::Reduce { kind, axes, keep } => {
                self.text(kind.name());
                self.numbers(axes);
                self.bool(*keep);
            }
            Op::Transpose { order } => self.numbers(order),
            Op::Reshape { rest } => self.numbers(rest),
            Op::Slice { axis, start, end, step } => self.array(&[*axis, *start, *end, *step]),
            Op::Gather { axis, count } => self.array(&[*axis, *count]),
            Op::Expand { shape } | Op::Constant { shape } => self.numbers(&shape.0),
            Op::ConvNd { out_channels, kernel, stride, pad, dilation, output_pad, groups, bias, transposed } => {
                self.number(*out_channels);
                [kernel, stride, pad, dilation, output_pad].into_iter().for_each(|sizes| self.numbers(sizes));
                self.number(*groups);
                self.bool(*bias);
                self.bool(*transposed);
            }
            Op::PoolNd { kind, kernel, stride, pad, dilation, ceil, count_padding } => {
                self.text(kind.name());
                [kernel, stride, pad, dilation].into_iter().for_each(|sizes| self.numbers(sizes));
                self.bool(*ceil);
                self.bool(*count_padding);
            }
            Op::PadNd { pads, mode } => {
                self.list(pads, |bytes, pair| bytes.array(pair));
                self.text(mode.name());
            }
            Op::LayerNorm { axis, epsilon, bias } => {
                self.number(*axis);
                self.float(*epsilon);
                self.bool(*bias);
            }
            Op::GroupNorm { groups, epsilon } => {
                self.number(*groups);
                self.float(*epsilon);
            }
            Op::Recurrent { cell, hidden, bidirectional } => {
                self.text(cell.name());
                self.number(*hidden);
                self.bool(*bidirectional);
            }
            Op::Unbatched { op } => self.op(op),
            Op::Zero { stride } => self.array(stride),
            Op::Choice { choice, candidates } => {
                self.text(choice);
                self.list(candidates, |bytes, name| bytes.text(name));
            }
            Op::Kernel { op, sum, activation, block } => {
                self.op(op);
                self.bool(*sum);
                self.optional(activation.as_deref(), Self::op);
                self.number(*block);
            }
            Op::Reorder { block, to_blocks } => {
                self.number(*block);
                self.bool(*to_blocks);
            }
            Op::Quantized { op, activation, channels_last } => {
                self.op(op);
                self.optional(*activation, Self::activation);
                self.bool(*channels_last);
            }
            Op::Quantize { activation } => self.optional(*activation, Self::activation),
            Op::ChannelsLast { to } => self.bool(*to),
            Op::Custom { kind, attributes } => {
                self.text(kind);
                self.map(attributes);
            }
            Op::Relu
            | Op::Relu6
            | Op::Hsigmoid
            | Op::Hswish
            | Op::Sigmoid
            | Op::Tanh
            | Op::GlobalAvgPool
            | Op::Add
            | Op::Mul
            | Op::Flatten
            | Op::MatMul
            | Op::Dequantize
            | Op::Identity => {}
        }
    }

    fn activation(&mut self, activation: Activation) {
        self.text(match activation {
            Activation::Relu => "relu",
            Activation::Relu6 => "relu6",
        });
    }
}
