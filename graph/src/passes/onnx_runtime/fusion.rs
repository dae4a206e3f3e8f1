//! Fusions that apply in every layout, and the fusion of sums in the plain layout.

use std::collections::{HashMap, HashSet};

use crate::{Activation, Graph, Node, Op};

/// A kernel under construction. Values are numbered by the nodes that compute them in the unfused graph.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    /// The node of its operation.
    pub(super) node: usize,
    pub(super) op: Op,
    pub(super) operands: Vec<usize>,
    pub(super) sum: Option<usize>,
    pub(super) activation: Option<Op>,
    /// The value it computes.
    pub(super) value: usize,
    /// Whether it reads and writes blocks of channels.
    pub(super) blocked: bool,
    /// Whether it reads its operand in the plain layout nevertheless.
    pub(super) plain_operand: bool,
}

pub(super) struct Fusion {
    pub(super) kernels: Vec<Kernel>,
    pub(super) uses: Vec<usize>,
}

impl Fusion {
    pub(super) fn of(graph: &Graph) -> Self {
        let kernel = |(i, node): (usize, &Node)| {
            let mut op = node.op.clone();
            let activation = if let Op::Conv { activation, .. } = &mut op { activation.take() } else { None };
            Kernel {
                node: i,
                op,
                operands: node.inputs.iter().map(|id| id.0).collect(),
                sum: None,
                activation: activation.map(|activation| match activation {
                    Activation::Relu => Op::Relu,
                    Activation::Relu6 => Op::Relu6,
                }),
                value: i,
                blocked: false,
                plain_operand: false,
            }
        };
        let kernels = graph.nodes().iter().enumerate().map(kernel).collect();
        Self { kernels, uses: graph.use_counts() }
    }

    /// Fuses a kernel with one operand into the kernel that computes this operand, if nothing else reads it and `fuse`
    /// agrees.
    fn fuse(&mut self, mut fuse: impl FnMut(&mut Kernel, &Op) -> bool) {
        let mut place: HashMap<usize, usize> = HashMap::new();
        let mut kept: Vec<Kernel> = Vec::with_capacity(self.kernels.len());
        for kernel in self.kernels.drain(..) {
            if let [operand] = kernel.operands[..]
                && self.uses[operand] == 1
                && let Some(&before) = place.get(&operand)
                && fuse(&mut kept[before], &kernel.op)
            {
                kept[before].value = kernel.value;
                place.insert(kernel.value, before);
                continue;
            }
            place.insert(kernel.value, kept.len());
            kept.push(kernel);
        }
        self.kernels = kept;
    }

    /// `PadFusion`: zeros around the operand of a convolution become its padding, if nothing else reads them. Our
    /// padding is the same on opposite sides.
    pub(super) fn pads(&mut self) {
        let mut pads: HashMap<usize, (usize, [usize; 2])> = HashMap::new();
        let mut fused: HashSet<usize> = HashSet::new();
        for kernel in &mut self.kernels {
            match &mut kernel.op {
                Op::Pad { padding: [top, bottom, left, right] }
                    if top == bottom && left == right && self.uses[kernel.value] == 1 =>
                {
                    pads.insert(kernel.value, (kernel.operands[0], [*top, *left]));
                }
                Op::Conv { pad, .. } => {
                    if let Some((operand, more)) = pads.get(&kernel.operands[0]) {
                        *pad = [pad[0] + more[0], pad[1] + more[1]];
                        fused.insert(kernel.operands[0]);
                        kernel.operands[0] = *operand;
                    }
                }
                _ => {}
            }
        }
        self.kernels.retain(|kernel| !fused.contains(&kernel.value));
    }

    pub(super) fn batch_norms(&mut self) {
        self.fuse(|before, op| match (&mut before.op, op) {
            (Op::Conv { bias, .. }, Op::BatchNorm { .. }) if before.activation.is_none() => {
                *bias = true;
                true
            }
            _ => false,
        });
    }

    /// On 8-bit integers: a ReLU becomes the range of a kernel's result, if that can differ from the range of its operands.
    pub(super) fn ranges(&mut self) {
        self.fuse(|before, op| {
            let fits = before.op.rescales() && before.activation.is_none() && matches!(op, Op::Relu | Op::Relu6);
            if fits {
                before.activation = Some(op.clone());
            }
            fits
        });
    }

    pub(super) fn activations(&mut self) {
        self.fuse(|before, op| {
            let fits = matches!(before.op, Op::Conv { .. })
                && before.activation.is_none()
                && op.is_activation()
                && *op != Op::Hswish;
            if fits {
                before.activation = Some(op.clone());
            }
            fits
        });
    }

    /// Without blocks of channels: `ConvAddActivationFusion`. If only a sum of two reads a convolution, the convolution
    /// takes in the sum's other operand and the activation after the sum. If both operands qualify, the later
    /// convolution does.
    pub(super) fn sums(&mut self) {
        let mut place: HashMap<usize, usize> = HashMap::new();
        let mut kept: Vec<Option<Kernel>> = Vec::with_capacity(self.kernels.len());
        for kernel in self.kernels.drain(..) {
            if let (Op::Add, &[first, second]) = (&kernel.op, &kernel.operands[..]) {
                let fits = |value: usize| {
                    let before = kept.get(*place.get(&value)?)?.as_ref()?;
                    let conv = matches!(before.op, Op::Conv { .. });
                    let free = before.activation.is_none() && before.sum.is_none() && self.uses[value] == 1;
                    (conv && free && first != second).then_some(place[&value])
                };
                let (a, b) = (fits(first), fits(second));
                let chosen = if a > b { a.map(|place| (place, second)) } else { b.map(|place| (place, first)) };
                if let Some((before, other)) = chosen
                    && let Some(mut conv) = kept[before].take()
                {
                    conv.sum = Some(other);
                    conv.value = kernel.value;
                    place.insert(kernel.value, kept.len());
                    kept.push(Some(conv));
                    continue;
                }
            }
            place.insert(kernel.value, kept.len());
            kept.push(Some(kernel));
        }
        self.kernels = kept.into_iter().flatten().collect();
        self.fuse(|before, op| {
            let fits = before.sum.is_some() && before.activation.is_none() && op.is_activation() && *op != Op::Hswish;
            if fits {
                before.activation = Some(op.clone());
            }
            fits
        });
    }
}
