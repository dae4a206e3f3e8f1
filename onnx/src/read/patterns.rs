//! Recognises functions that exporters split up: one operation of a framework becomes one operation again.

use nasprof_graph::{Function, Graph, Node, NodeId, Op, Reduction};

/// The replacement of a node: another operation on other operands.
pub(super) type Replacement = (Op, Vec<NodeId>);

/// The operations of a graph, with the replacements so far.
pub(super) struct Matcher<'g> {
    graph: &'g Graph,
    pub(super) replaced: Vec<Option<Replacement>>,
}

impl<'g> Matcher<'g> {
    /// Replaces every node that ends a pattern, in order: a larger pattern may contain smaller ones.
    pub(super) fn of(graph: &'g Graph) -> Self {
        let mut matcher = Self { graph, replaced: vec![None; graph.nodes().len()] };
        for i in 0..graph.nodes().len() {
            let id = NodeId(i);
            matcher.replaced[i] = matcher
                .hard_sigmoid(id)
                .or_else(|| matcher.gated(id))
                .or_else(|| matcher.hard_swish(id))
                .or_else(|| matcher.gelu(id))
                .or_else(|| matcher.layer_norm(id));
        }
        matcher
    }

    fn node(&self, id: NodeId) -> &'g Node {
        self.graph.node(id)
    }

    pub(super) fn op(&self, id: NodeId) -> &Op {
        self.replaced[id.0].as_ref().map_or(&self.node(id).op, |(op, _)| op)
    }

    pub(super) fn inputs(&self, id: NodeId) -> &[NodeId] {
        self.replaced[id.0].as_ref().map_or(&self.node(id).inputs, |(_, inputs)| inputs)
    }

    /// The operand of a function with one number.
    fn with_number(&self, id: NodeId, function: Function, number: f64) -> Option<NodeId> {
        match (self.op(id), self.inputs(id)) {
            (Op::Elementwise { function: found, parameters }, &[x])
                if *found == function && parameters.len() == 1 && near(parameters[0], number) =>
            {
                Some(x)
            }
            _ => None,
        }
    }

    /// The operand `x` of a product or quotient that equals `factor * x`.
    fn scaled(&self, id: NodeId, factor: f64) -> Option<NodeId> {
        let by_product = self.with_number(id, Function::BroadcastMul, factor);
        by_product.or_else(|| self.with_number(id, Function::Div, 1.0 / factor))
    }

    fn of_one(&self, id: NodeId, wanted: &Op) -> Option<NodeId> {
        match self.inputs(id) {
            &[x] if self.op(id) == wanted => Some(x),
            _ => None,
        }
    }

    /// The two factors of a product of computed values.
    fn product(&self, id: NodeId) -> Option<[NodeId; 2]> {
        let is_product = matches!(self.op(id), Op::Mul | Op::Elementwise { function: Function::BroadcastMul, .. });
        self.inputs(id).try_into().ok().filter(|_| is_product)
    }

    /// relu6(x + 3)
    fn shifted_relu6(&self, id: NodeId) -> Option<NodeId> {
        self.with_number(self.of_one(id, &Op::Relu6)?, Function::BroadcastAdd, 3.0)
    }

    /// relu6(x + 3) / 6
    fn hard_sigmoid(&self, id: NodeId) -> Option<Replacement> {
        let x = self.shifted_relu6(self.scaled(id, 1.0 / 6.0)?)?;
        Some((Op::Hsigmoid, vec![x]))
    }

    /// x * f(x)
    fn gated(&self, id: NodeId) -> Option<Replacement> {
        let [a, b] = self.product(id)?;
        let of = |x: NodeId, gate: NodeId| {
            let softplus = Op::elementwise(Function::Softplus);
            let op = if self.of_one(gate, &Op::Sigmoid) == Some(x) {
                Op::elementwise(Function::Silu)
            } else if self.of_one(gate, &Op::Hsigmoid) == Some(x) {
                Op::Hswish
            } else if self.of_one(gate, &Op::Tanh).and_then(|inner| self.of_one(inner, &softplus)) == Some(x) {
                Op::elementwise(Function::Mish)
            } else {
                return None;
            };
            Some((op, vec![x]))
        };
        of(a, b).or_else(|| of(b, a))
    }

    /// x * relu6(x + 3) / 6
    fn hard_swish(&self, id: NodeId) -> Option<Replacement> {
        let [a, b] = self.product(self.scaled(id, 1.0 / 6.0)?)?;
        let of = |x, gate| self.shifted_relu6(gate).filter(|&inner| inner == x);
        let x = of(a, b).or_else(|| of(b, a))?;
        Some((Op::Hswish, vec![x]))
    }

    /// x/2 * (1 + erf(x / √2)), its factors in any order.
    fn gelu(&self, id: NodeId) -> Option<Replacement> {
        let whole = |id| {
            let [a, b] = self.product(id)?;
            self.bell(a).map(|x| (x, b)).or_else(|| self.bell(b).map(|x| (x, a)))
        };
        let found = |id: NodeId| {
            // The factor 0.5 comes last, …
            if let Some((x, other)) = self.scaled(id, 0.5).and_then(whole) {
                return (other == x).then_some(x);
            }
            // … or belongs to the operand or to the second factor.
            let [a, b] = self.product(id)?;
            let half_of = |half: NodeId, other: NodeId| {
                let inner = self.scaled(half, 0.5)?;
                let of_operand = self.bell(other).filter(|&x| x == inner);
                of_operand.or_else(|| self.bell(inner).filter(|&x| x == other))
            };
            half_of(a, b).or_else(|| half_of(b, a))
        };
        found(id).map(|x| (Op::elementwise(Function::Gelu), vec![x]))
    }

    /// 1 + erf(x / √2)
    fn bell(&self, id: NodeId) -> Option<NodeId> {
        let erf = self.with_number(id, Function::BroadcastAdd, 1.0)?;
        self.scaled(self.of_one(erf, &Op::elementwise(Function::Erf))?, std::f64::consts::FRAC_1_SQRT_2)
    }

    /// (x - mean) / √(variance + ε) * scale + shift over the last axes.
    fn layer_norm(&self, id: NodeId) -> Option<Replacement> {
        let (product, shift) = self.with_stored(id, Function::BroadcastAdd)?;
        let (quotient, scale) = self.with_stored(product, Function::BroadcastMul)?;
        let &[difference, deviation] = self.inputs(quotient) else { return None };
        if *self.op(quotient) != Op::elementwise(Function::Div) {
            return None;
        }
        let shifted = self.of_one(deviation, &Op::elementwise(Function::Sqrt))?;
        let (Op::Elementwise { function: Function::BroadcastAdd, parameters }, &[variance]) =
            (self.op(shifted), self.inputs(shifted))
        else {
            return None;
        };
        let epsilon = *parameters.first()?;
        let (square, axes) = self.mean(variance)?;
        let again = self
            .with_number(square, Function::Pow, 2.0)
            .or_else(|| self.product(square).filter(|[a, b]| a == b).map(|[a, _]| a))?;
        let x = self.centred(difference, axes)?;
        if self.centred(again, axes) != Some(x) {
            return None;
        }
        let shape = &self.node(x).shape;
        let axis = *axes.first()?;
        let is_last = axes.iter().copied().eq(axis..shape.rank());
        let normalised = shape.0.get(axis..)?;
        let trained = |id: NodeId| {
            self.node(id).shape.0.ends_with(normalised)
                && self.node(id).shape.elements() == normalised.iter().product::<usize>() as u64
        };
        let fits = is_last && trained(scale) && trained(shift) && (0.0..1.0).contains(&epsilon);
        fits.then(|| (Op::LayerNorm { axis, epsilon, bias: true }, vec![x]))
    }

    /// x - mean(x)
    fn centred(&self, id: NodeId, axes: &[usize]) -> Option<NodeId> {
        let &[x, mean] = self.inputs(id) else { return None };
        let (of, over) = self.mean(mean)?;
        (*self.op(id) == Op::elementwise(Function::Sub) && of == x && over == axes).then_some(x)
    }

    fn mean(&self, id: NodeId) -> Option<(NodeId, &[usize])> {
        match (self.op(id), self.inputs(id)) {
            (Op::Reduce { kind: Reduction::Mean, axes, keep: true }, &[x]) => Some((x, axes)),
            _ => None,
        }
    }

    /// A function of a computed value and stored ones.
    fn with_stored(&self, id: NodeId, function: Function) -> Option<(NodeId, NodeId)> {
        let is_function = match self.op(id) {
            Op::Elementwise { function: found, .. } => *found == function,
            Op::Mul => function == Function::BroadcastMul,
            Op::Add => function == Function::BroadcastAdd,
            _ => false,
        };
        let &[a, b] = self.inputs(id) else { return None };
        let is_stored = |id: NodeId| matches!(self.op(id), Op::Constant { .. } | Op::Zeros { .. });
        match (is_function, is_stored(a), is_stored(b)) {
            (true, false, true) => Some((a, b)),
            (true, true, false) => Some((b, a)),
            _ => None,
        }
    }
}

/// Constants are 32-bit floats, often rounded.
fn near(found: f64, wanted: f64) -> bool {
    (found / wanted - 1.0).abs() < 1e-3
}
