//! What ONNX Runtime makes of a network on processors: its fusions, and its choice of layout.
//!
//! Batch normalisation goes into the convolution before it (`ConvBNFusion`), then an activation (`ConvActivationFusion`). Where
//! the processor's convolutions take blocks of channels, `NchwcTransformer` rewrites convolutions and what stands between them
//! to that layout, adds one branch of a sum into the convolution of the other, and leaves copies between the layouts where
//! they meet. The names are those of the runtime's sources; the rules are checked against what the runtime itself writes with
//! `optimized_model_filepath`.

use std::collections::HashMap;

use crate::{Activation, Graph, Node, NodeId, Op, Shape};

/// The kernels to which channels must be aligned for the copies between layouts.
const REORDER_ALIGNMENT: usize = 4;

/// Fuses as ONNX Runtime does for a processor with blocks of so many channels; 0: in the plain layout. The graph has no zeros
/// to fold, no dead code and no two equal layers.
#[must_use]
pub fn fuse_as_onnx_runtime(graph: &Graph, block: usize) -> Graph {
    let mut fusion = Fusion::of(graph);
    fusion.batch_norms();
    fusion.activations();
    if block == 0 {
        fusion.sums();
        return Emitter::plain(graph, &fusion.kernels);
    }
    let mut layout = Layout::new(graph, fusion, block);
    layout.choose();
    Emitter::blocked(graph, &layout, block)
}

/// A kernel in the making. Values have the numbers of the nodes that compute them in the unfused graph.
#[derive(Debug, Clone)]
struct Kernel {
    /// The node of its operation.
    node: usize,
    op: Op,
    operands: Vec<usize>,
    sum: Option<usize>,
    activation: Option<Op>,
    /// The value it gives.
    value: usize,
    /// Whether it takes and gives blocks of channels.
    blocked: bool,
    /// Whether it takes its operand in the plain layout all the same.
    plain_operand: bool,
}

struct Fusion {
    kernels: Vec<Kernel>,
    uses: Vec<usize>,
}

impl Fusion {
    fn of(graph: &Graph) -> Self {
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

    /// Takes a kernel with one operand into the one before, where that alone reads its value and `fuse` agrees.
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

    fn batch_norms(&mut self) {
        self.fuse(|before, op| match (&mut before.op, op) {
            (Op::Conv { bias, .. }, Op::BatchNorm { .. }) if before.activation.is_none() => {
                *bias = true;
                true
            }
            _ => false,
        });
    }

    fn activations(&mut self) {
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

    /// Without blocks of channels: `ConvAddActivationFusion`. A convolution that is read by a sum of two alone takes the other
    /// operand in, and the activation after the sum; the later convolution, if both could.
    fn sums(&mut self) {
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

/// A value that exists in blocks of channels.
struct Blocked {
    kernel: usize,
    /// How many kernels and outputs read the value.
    uses: usize,
    /// Those of them that still need it in the plain layout.
    plain_uses: usize,
}

/// `NchwcTransformer`.
struct Layout<'a> {
    graph: &'a Graph,
    block: usize,
    uses: Vec<usize>,
    source: Vec<Kernel>,
    /// In the order they run; `None` where a sum moved one to a later place.
    kernels: Vec<Option<Kernel>>,
    blocked: HashMap<usize, Blocked>,
    /// Values that are copied to blocks, and the kernel before which that is first done.
    to_blocks: HashMap<usize, usize>,
}

impl<'a> Layout<'a> {
    fn new(graph: &'a Graph, fusion: Fusion, block: usize) -> Self {
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

    fn choose(&mut self) {
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

    /// In the plain layout.
    fn keep(&mut self, kernel: Kernel) {
        self.kernels.push(Some(kernel));
    }

    /// In blocks, as far as the value is concerned.
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

    /// A sum or product of equal shapes that are all in blocks. One branch of a sum of two goes into the convolution of the
    /// other, the first of them that can take it.
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
                    // It runs where the sum ran: its summand is there by then.
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

    /// The place of a convolution in blocks whose value is read once.
    fn free_conv(&self, value: usize, is_free: impl Fn(&Kernel) -> bool) -> Option<usize> {
        let known = self.blocked.get(&value).filter(|known| known.uses == 1)?;
        let conv = self.kernels[known.kernel].as_ref()?;
        (matches!(conv.op, Op::Conv { .. }) && is_free(conv)).then_some(known.kernel)
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

    /// Works in blocks if its operand is there in blocks.
    fn follow(&mut self, kernel: Kernel) {
        if !self.blocked.contains_key(&kernel.operands[0]) {
            return self.keep(kernel);
        }
        self.read(kernel.operands[0]);
        self.block(kernel);
    }

    fn activation(&mut self, kernel: Kernel) {
        let operand = kernel.operands[0];
        if !matches!(kernel.op, Op::Relu | Op::Sigmoid | Op::Tanh | Op::Hswish) {
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

/// Writes kernels as the nodes of a graph.
struct Emitter<'a> {
    graph: &'a Graph,
    nodes: Vec<Node>,
    plain: HashMap<usize, NodeId>,
    blocked: HashMap<usize, NodeId>,
}

impl<'a> Emitter<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self { graph, nodes: Vec::new(), plain: HashMap::new(), blocked: HashMap::new() }
    }

    fn plain(graph: &'a Graph, kernels: &[Kernel]) -> Graph {
        let mut emitter = Self::new(graph);
        for kernel in kernels {
            emitter.kernel(kernel, 0);
        }
        emitter.finish()
    }

    fn blocked(graph: &'a Graph, layout: &Layout<'_>, block: usize) -> Graph {
        let mut emitter = Self::new(graph);
        let mut copies: HashMap<usize, Vec<usize>> = HashMap::new();
        for (&value, &before) in &layout.to_blocks {
            copies.entry(before).or_default().push(value);
        }
        for (place, kernel) in layout.kernels.iter().enumerate() {
            let mut due = copies.remove(&place).unwrap_or_default();
            due.sort_unstable();
            for value in due {
                emitter.reorder(value, block, true);
            }
            let Some(kernel) = kernel else { continue };
            emitter.kernel(kernel, block);
            if layout.blocked.get(&kernel.value).is_some_and(|known| kernel.blocked && known.plain_uses > 0) {
                emitter.reorder(kernel.value, block, false);
            }
        }
        emitter.finish()
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    fn reorder(&mut self, value: usize, block: usize, to_blocks: bool) {
        let source = &self.graph.nodes()[value];
        let (from, to) = if to_blocks { (&self.plain, "to_blocks") } else { (&self.blocked, "from_blocks") };
        let Some(&operand) = from.get(&value) else { return };
        // The name is that of the kernel which gives the value, so that what is fused is found by it.
        let name = format!("{}/{to}", self.nodes[operand.0].name);
        let op = Op::Reorder { block, to_blocks };
        let id = self.push(Node { name, op, inputs: vec![operand], shape: source.shape.clone(), parameters: None });
        if to_blocks { &mut self.blocked } else { &mut self.plain }.insert(value, id);
    }

    fn kernel(&mut self, kernel: &Kernel, block: usize) {
        let source = &self.graph.nodes()[kernel.node];
        let operands = kernel.operands.iter().map(|value| (value, kernel.blocked && !kernel.plain_operand));
        let operands = operands.chain(kernel.sum.iter().map(|value| (value, kernel.blocked)));
        let inputs =
            operands.map(|(value, blocked)| if blocked { self.blocked[value] } else { self.plain[value] }).collect();
        if kernel.op == Op::Hswish && !kernel.blocked {
            return self.hard_swish(kernel);
        }
        let simple = match (&kernel.activation, kernel.sum, kernel.blocked) {
            (Some(Op::Relu), None, false) => Some(Activation::Relu),
            (Some(Op::Relu6), None, false) => Some(Activation::Relu6),
            _ => None,
        };
        let fused = kernel.sum.is_some() || kernel.activation.is_some() || kernel.blocked;
        let op = if let (Some(_), Op::Conv { .. }) = (simple, &kernel.op) {
            let mut op = kernel.op.clone();
            if let Op::Conv { activation, .. } = &mut op {
                *activation = simple;
            }
            op
        } else if fused {
            Op::Kernel {
                op: Box::new(kernel.op.clone()),
                sum: kernel.sum.is_some(),
                activation: kernel.activation.clone().map(Box::new),
                block: if kernel.blocked { block } else { 0 },
            }
        } else {
            kernel.op.clone()
        };
        let shape = self.graph.nodes()[kernel.value].shape.clone();
        let parameters = source.parameters.clone();
        let id = self.push(Node { name: source.name.clone(), op, inputs, shape, parameters });
        if kernel.blocked { &mut self.blocked } else { &mut self.plain }.insert(kernel.value, id);
    }

    /// In the plain layout there is no kernel for it: a hard sigmoid and a product run.
    fn hard_swish(&mut self, kernel: &Kernel) {
        let source = &self.graph.nodes()[kernel.node];
        let operand = self.plain[&kernel.operands[0]];
        let node = |name, op, inputs| Node { name, op, inputs, shape: source.shape.clone(), parameters: None };
        let gate = self.push(node(format!("{}/hsigmoid", source.name), Op::Hsigmoid, vec![operand]));
        let product = self.push(node(source.name.clone(), Op::Mul, vec![operand, gate]));
        self.plain.insert(kernel.value, product);
    }

    fn finish(self) -> Graph {
        let outputs = self.graph.outputs().iter().map(|id| self.plain[&id.0]).collect();
        Graph::from_parts(self.nodes, outputs)
    }
}
