//! Chooses which kernels work on blocks of channels, and where values are copied between the layouts
//! (`NchwcTransformer`).

use std::collections::HashMap;

use super::fusion::{Fusion, Kernel};
use crate::{Graph, Op, Shape};

/// Copies between layouts need a multiple of this many channels.
const REORDER_ALIGNMENT: usize = 4;

/// A value that exists in blocks of channels.
pub(super) struct Blocked {
    kernel: usize,
    /// How many kernels and outputs read the value.
    uses: usize,
    /// How many of them still need it in the plain layout.
    pub(super) plain_uses: usize,
}

/// `NchwcTransformer`.
pub(super) struct Layout<'a> {
    graph: &'a Graph,
    block: usize,
    uses: Vec<usize>,
    source: Vec<Kernel>,
    /// In the order they run; `None` where a sum moved one to a later place.
    pub(super) kernels: Vec<Option<Kernel>>,
    pub(super) blocked: HashMap<usize, Blocked>,
    /// Values that are copied to blocks, and the first kernel that needs the copy.
    pub(super) to_blocks: HashMap<usize, usize>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(graph: &'a Graph, fusion: Fusion, block: usize) -> Self {
        let Fusion { kernels: source, uses } = fusion;
        let kernels = Vec::with_capacity(source.len());
        Self { graph, block, uses, source, kernels, blocked: HashMap::new(), to_blocks: HashMap::new() }
    }

    fn shape(&self, value: usize) -> &Shape {
        &self.graph.nodes()[value].shape
    }

    fn channels(&self, value: usize) -> usize {
        self.shape(value).channels()
    }

    pub(super) fn choose(&mut self) {
        for kernel in std::mem::take(&mut self.source) {
            match &kernel.op {
                Op::Conv { .. } => self.conv(kernel),
                Op::MaxPool { .. } | Op::AvgPool { .. } | Op::GlobalAvgPool => self.pool(kernel),
                Op::Add | Op::Mul => self.elementwise(kernel),
                Op::Concat { axis: 1 } => self.concat(kernel),
                Op::BatchNorm { .. } => self.follow(kernel),
                op if op.is_activation() => self.activation(kernel),
                _ => self.keep(kernel),
            }
        }
    }

    /// Keeps a kernel in the plain layout.
    fn keep(&mut self, kernel: Kernel) {
        self.kernels.push(Some(kernel));
    }

    /// Puts a kernel's value in blocks.
    fn block(&mut self, mut kernel: Kernel) {
        kernel.blocked = true;
        let uses = self.uses[kernel.value];
        let known = Blocked { kernel: self.kernels.len(), uses, plain_uses: uses };
        self.blocked.insert(kernel.value, known);
        self.kernels.push(Some(kernel));
    }

    /// Reads a value in blocks: as it is, or copied.
    fn read(&mut self, value: usize) {
        match self.blocked.get_mut(&value) {
            Some(known) => known.plain_uses -= 1,
            None => {
                self.to_blocks.entry(value).or_insert(self.kernels.len());
            }
        }
    }

    fn conv(&mut self, mut kernel: Kernel) {
        let Op::Conv { out_channels, groups, .. } = kernel.op else { return };
        let operand = kernel.operands[0];
        let inputs = self.channels(operand) / groups;
        let depthwise = inputs == 1 && out_channels == groups;
        let fits = if groups > 1 {
            let per_group = out_channels / groups;
            out_channels.is_multiple_of(REORDER_ALIGNMENT)
                && (depthwise || (inputs.is_multiple_of(self.block) && per_group.is_multiple_of(self.block)))
        } else {
            inputs < self.block || inputs.is_multiple_of(REORDER_ALIGNMENT)
        };
        if !fits {
            return self.keep(kernel);
        }
        kernel.plain_operand = groups == 1 && inputs < self.block;
        if !kernel.plain_operand {
            self.read(operand);
        }
        self.block(kernel);
    }

    fn pool(&mut self, kernel: Kernel) {
        let operand = kernel.operands[0];
        let known = self.blocked.contains_key(&operand);
        let whole = self.shape(operand).rank() == 4 && self.channels(operand).is_multiple_of(self.block);
        if whole && (known || kernel.op != Op::GlobalAvgPool) {
            self.read(operand);
            self.block(kernel);
        } else {
            self.keep(kernel);
        }
    }

    /// A sum or product of operands in blocks, all of one shape. One branch of a sum of two is fused into the convolution
    /// of the other, the first that can take it.
    fn elementwise(&mut self, kernel: Kernel) {
        let first = self.shape(kernel.operands[0]).clone();
        let fits = kernel.operands.iter().all(|value| self.blocked.contains_key(value) && *self.shape(*value) == first);
        if !fits {
            return self.keep(kernel);
        }
        if let (Op::Add, &[a, b]) = (&kernel.op, &kernel.operands[..]) {
            for (value, other) in [(a, b), (b, a)] {
                if let Some(place) = self.free_conv(value, |conv| conv.sum.is_none() && conv.activation.is_none())
                    && let Some(mut conv) = self.kernels[place].take()
                {
                    self.read(other);
                    self.blocked.remove(&value);
                    // The convolution runs in the place of the sum, because by then its summand is computed.
                    conv.sum = Some(other);
                    conv.value = kernel.value;
                    return self.block(conv);
                }
            }
        }
        for value in kernel.operands.clone() {
            self.read(value);
        }
        self.block(kernel);
    }

    /// The place of a convolution in blocks whose value is read once. To the runtime, a normalisation in blocks is a
    /// convolution: depthwise, 1x1.
    fn free_conv(&self, value: usize, is_free: impl Fn(&Kernel) -> bool) -> Option<usize> {
        let known = self.blocked.get(&value).filter(|known| known.uses == 1)?;
        let conv = self.kernels[known.kernel].as_ref()?;
        (matches!(conv.op, Op::Conv { .. } | Op::BatchNorm { .. }) && is_free(conv)).then_some(known.kernel)
    }

    fn concat(&mut self, kernel: Kernel) {
        let fits = |value: &usize| self.blocked.contains_key(value) && self.channels(*value).is_multiple_of(self.block);
        if !kernel.operands.iter().all(fits) {
            return self.keep(kernel);
        }
        for value in kernel.operands.clone() {
            self.read(value);
        }
        self.block(kernel);
    }

    /// Lets a kernel work in blocks if its operand is in blocks.
    fn follow(&mut self, kernel: Kernel) {
        if !self.blocked.contains_key(&kernel.operands[0]) {
            return self.keep(kernel);
        }
        self.read(kernel.operands[0]);
        self.block(kernel);
    }

    fn activation(&mut self, kernel: Kernel) {
        let operand = kernel.operands[0];
        if !matches!(kernel.op, Op::Relu | Op::Sigmoid | Op::Tanh | Op::Hsigmoid | Op::Hswish) {
            return self.keep(kernel);
        }
        let place = self.free_conv(operand, |conv| conv.activation.is_none());
        let Some((place, conv)) = place.and_then(|place| Some((place, self.kernels[place].as_mut()?))) else {
            return self.follow(kernel);
        };
        conv.activation = Some(kernel.op);
        conv.value = kernel.value;
        self.blocked.remove(&operand);
        let uses = self.uses[kernel.value];
        self.blocked.insert(kernel.value, Blocked { kernel: place, uses, plain_uses: uses });
    }
}
