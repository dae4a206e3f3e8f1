//! Runs a supernet; only nodes that the outputs need are computed.

use std::collections::HashMap;

use nasprof_graph::{Arch, Node, Op, Shape};
use nasprof_torch::cuda::Autocast;
use tch::{Kind, TchError, Tensor};

use crate::device::channels_last;

use super::error::first_line;
use super::mixture::plus;
use super::path::{Path, Value};
use super::{NetworkError, Supernet};

/// The mode of a forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Batch statistics, which also update the running statistics; dropout.
    Train,
    /// Batch statistics without updates, and no dropout: for judging architectures in a supernet. A layer's running
    /// statistics are a mean over all networks that it was part of, and fit none of them.
    Judge,
    /// As [`Phase::Judge`], but the running statistics become the mean over this batch and the `before` batches of the same
    /// size before it. With `before = 0` their earlier values have no influence.
    Recalibrate {
        /// Batches that the running statistics are already the mean of.
        before: u32,
    },
    /// Running statistics, no dropout.
    Evaluate,
    /// Normalisations and rectifiers return their input; no dropout. With positive weights and inputs this is a network
    /// without normalisation.
    Linear,
}

/// The result of a forward pass.
#[derive(Debug)]
pub struct Output {
    /// The graph's outputs.
    pub values: Vec<Tensor>,
    /// The trainable parameters that contributed: positions in [`super::Parameters::all`], ascending.
    pub parameters: Vec<usize>,
}

impl Supernet {
    /// Runs the network on a batch `(N, C, H, W)`.
    ///
    /// # Errors
    /// A batch of another shape, a path that does not fit the choices, or libtorch's.
    pub fn forward(&self, batch: &Tensor, path: Path<'_>, phase: Phase) -> Result<Output, NetworkError> {
        self.forward_watched(batch, path, phase, &mut |_, _| Ok(()))
    }

    /// As [`Supernet::forward`], but `watch` receives the value of each operation that runs.
    ///
    /// # Errors
    /// Those of [`Supernet::forward`] and of `watch`.
    pub fn forward_watched(
        &self,
        batch: &Tensor,
        path: Path<'_>,
        phase: Phase,
        watch: &mut dyn FnMut(&Op, &Tensor) -> Result<(), TchError>,
    ) -> Result<Output, NetworkError> {
        self.check(batch, path)?;
        let laid_out = if self.channels_last { channels_last(batch)? } else { batch.shallow_clone() };
        let batch = &laid_out;
        let nodes = self.graph.nodes();
        let part = self.part_of(path);
        let needed = self.needed(path);
        let mut uses = self.use_counts(path, &needed);
        let mut values: Vec<Option<Value>> = (0..nodes.len()).map(|_| None).collect();
        let mut parameters = Vec::new();
        let mut parts = HashMap::new();
        for (i, node) in nodes.iter().enumerate().filter(|(i, _)| needed[*i]) {
            let failed = |e| NetworkError::Layer { node: node.name.clone(), message: first_line(&e) };
            let mixes = mixes(node, path);
            if mixes {
                // Its candidates have already added their values. If none of them counts, there is no sum yet.
                values[i].get_or_insert(Value::Zeros);
            } else {
                let value = self.value(i, node, batch, path, phase, &values).map_err(failed)?;
                if let Value::Tensor(tensor) = &value {
                    watch(&node.op, tensor).map_err(failed)?;
                }
                values[i] = Some(value);
            }
            self.hand_on(i, path, &needed, &mut values, &mut uses, &mut parts).map_err(failed)?;
            let used = self.steps[i].uses.iter().map(|u| self.parameters.in_part(u.parameter, part));
            parameters.extend(used.filter(|&p| self.parameters.all()[p].trainable));
            // `hand_on` has already passed the operands of a mixture.
            let operands = if mixes { Vec::new() } else { self.operands(node, path) };
            for id in operands {
                uses[id] -= 1;
                if uses[id] == 0 {
                    values[id] = None;
                }
            }
        }
        parameters.sort_unstable();
        parameters.dedup();
        let outputs = self.graph.outputs().iter().map(|id| {
            let value = values[id.0].as_ref().ok_or_else(missing)?;
            materialised(value, &nodes[id.0].shape, batch)
        });
        Ok(Output { values: outputs.collect::<Result<_, _>>()?, parameters })
    }

    /// Adds a value to the sums of the choices that mix it.
    fn hand_on(
        &self,
        index: usize,
        path: Path<'_>,
        needed: &[bool],
        values: &mut [Option<Value>],
        uses: &mut [usize],
        parts: &mut HashMap<usize, Vec<Tensor>>,
    ) -> Result<(), TchError> {
        let Some(value) = values[index].take() else { return Ok(()) };
        for taker in self.takers[index].iter().filter(|taker| needed[taker.node]) {
            for weight in taker.weights(path, &value, parts)? {
                values[taker.node] = Some(plus(values[taker.node].take(), &value, &weight)?);
                uses[index] -= 1;
            }
        }
        if uses[index] > 0 {
            values[index] = Some(value);
        }
        Ok(())
    }

    fn check(&self, batch: &Tensor, path: Path<'_>) -> Result<(), NetworkError> {
        let expected: Vec<i64> = self.graph.data_shapes().first().map_or_else(Vec::new, |s| sizes(s, 1));
        let actual = batch.size();
        if actual.len() != expected.len() || actual[1..] != expected[1..] || actual[0] < 1 {
            return Err(NetworkError::Data(format!(
                "a batch of shape {actual:?} does not fit the network's input {:?}",
                &expected[1..]
            )));
        }
        let candidates = |i: usize| self.choices[i].candidates.len();
        let fits = match path {
            Path::Selected(Arch(selected)) => {
                selected.len() == self.choices.len()
                    && selected.iter().enumerate().all(|(i, &k)| usize::from(k) < candidates(i))
            }
            Path::Mixed(probabilities) => {
                probabilities.len() == self.choices.len()
                    && probabilities.iter().enumerate().all(|(i, p)| p.size() == [candidates(i) as i64])
            }
            Path::Gated(pairs, gates) => {
                pairs.len() == self.choices.len()
                    && gates.len() == self.choices.len()
                    && gates.iter().all(|g| g.size() == [2])
                    && pairs.iter().enumerate().all(|(i, p)| p.iter().all(|&k| usize::from(k) < candidates(i)))
            }
        };
        if fits { Ok(()) } else { Err(NetworkError::Data("the path does not fit the network's choices".to_owned())) }
    }

    /// The nodes whose value a node reads.
    fn operands(&self, node: &Node, path: Path<'_>) -> Vec<usize> {
        let input = |k: u16| node.inputs[usize::from(k)].0;
        match (&node.op, path) {
            (Op::Zero { .. }, _) => Vec::new(),
            (Op::Choice { choice, .. }, Path::Selected(arch)) => vec![input(arch.0[self.choice_index[choice]])],
            (Op::Choice { choice, .. }, Path::Gated(pairs, _)) => pairs[self.choice_index[choice]].map(input).to_vec(),
            _ => node.inputs.iter().map(|id| id.0).collect(),
        }
    }

    fn needed(&self, path: Path<'_>) -> Vec<bool> {
        let nodes = self.graph.nodes();
        let mut needed = vec![false; nodes.len()];
        for id in self.graph.outputs() {
            needed[id.0] = true;
        }
        for i in (0..nodes.len()).rev() {
            if needed[i] {
                for id in self.operands(&nodes[i], path) {
                    needed[id] = true;
                }
            }
        }
        needed
    }

    fn use_counts(&self, path: Path<'_>, needed: &[bool]) -> Vec<usize> {
        let nodes = self.graph.nodes();
        let mut counts = vec![0; nodes.len()];
        for id in self.graph.outputs() {
            counts[id.0] += 1;
        }
        for (_, node) in nodes.iter().enumerate().filter(|(i, _)| needed[*i]) {
            for id in self.operands(node, path) {
                counts[id] += 1;
            }
        }
        counts
    }

    fn value(
        &self,
        index: usize,
        node: &Node,
        batch: &Tensor,
        path: Path<'_>,
        phase: Phase,
        values: &[Option<Value>],
    ) -> Result<Value, TchError> {
        let value = |id: usize| values[id].as_ref().ok_or_else(missing);
        let shape = |id: usize| &self.graph.nodes()[id].shape;
        match (&node.op, path) {
            (Op::Input { .. }, _) => return Ok(Value::Tensor(batch.shallow_clone())),
            (Op::Zero { .. } | Op::Zeros { .. }, _) => return Ok(Value::Zeros),
            (Op::Choice { .. } | Op::Identity, _) => {
                let id = self.operands(node, path);
                return Ok(match value(*id.first().ok_or_else(missing)?)? {
                    Value::Tensor(x) => Value::Tensor(x.shallow_clone()),
                    Value::Zeros => Value::Zeros,
                });
            }
            _ => {}
        }
        let mut operands = Vec::with_capacity(node.inputs.len());
        for id in &node.inputs {
            match value(id.0)? {
                Value::Zeros if matches!(node.op, Op::Add) => {}
                value => operands.push(materialised(value, shape(id.0), batch)?),
            }
        }
        if operands.is_empty() {
            return Ok(Value::Zeros);
        }
        if !self.graph.outputs().iter().any(|id| id.0 == index) {
            return self.apply(index, node, &operands, path, phase).map(Value::Tensor);
        }
        // Logits always have 32 bits: rounding to 16 bits can make different logits equal.
        let _guard = Autocast::to(Kind::Float, self.device);
        for operand in operands.iter_mut().filter(|x| matches!(x.kind(), Kind::BFloat16 | Kind::Half)) {
            *operand = operand.f_to_kind(Kind::Float)?;
        }
        self.apply(index, node, &operands, path, phase).map(Value::Tensor)
    }

    fn apply(
        &self,
        index: usize,
        node: &Node,
        operands: &[Tensor],
        path: Path<'_>,
        phase: Phase,
    ) -> Result<Tensor, TchError> {
        let step = &self.steps[index];
        let part = self.part_of(path);
        let weights = step.uses.iter().map(|u| self.parameters.used(u, part)).collect::<Result<Vec<_>, _>>()?;
        match (&node.op, phase, weights.as_slice()) {
            (
                Op::BatchNorm { epsilon },
                Phase::Train | Phase::Judge | Phase::Recalibrate { .. },
                [scale, shift, mean, variance],
            ) => {
                let weight = match phase {
                    Phase::Train => Some(0.1),
                    Phase::Recalibrate { before } => Some(1.0 / (f64::from(before) + 1.0)),
                    _ => None,
                };
                let (mean, variance) = (weight.map(|_| mean), weight.map(|_| variance));
                let weight = weight.unwrap_or(0.0);
                // libtorch uses the unbiased variance for the running statistics.
                operands[0].f_batch_norm(Some(scale), Some(shift), mean, variance, true, weight, *epsilon, false)
            }
            (Op::BatchNorm { .. } | Op::Relu | Op::Relu6, Phase::Linear, _) => Ok(operands[0].shallow_clone()),
            (Op::Dropout { probability }, Phase::Train, _) if *probability > 0.0 => {
                operands[0].f_dropout(*probability, true)
            }
            (Op::DropPath { probability }, Phase::Train, _) if *probability > 0.0 => {
                drop_path(&operands[0], *probability)
            }
            _ => step.kernel.run(&weights, operands.len(), |i| operands.get(i).ok_or_else(missing)),
        }
    }
}

/// Whether a node is a weighted sum of its operands along a path.
fn mixes(node: &Node, path: Path<'_>) -> bool {
    matches!((&node.op, path), (Op::Choice { .. }, Path::Mixed(_) | Path::Gated(..)))
}

/// Drops a sample's branch with the given probability, and scales up the others to keep the mean.
fn drop_path(x: &Tensor, probability: f64) -> Result<Tensor, TchError> {
    let mut dims = vec![1; x.dim()];
    dims[0] = x.size()[0];
    let keep = Tensor::f_rand(dims.as_slice(), (Kind::Float, x.device()))?.f_ge(probability)?;
    x.f_mul(&keep.f_to_kind(x.kind())?.f_div_scalar(1.0 - probability)?)
}

fn materialised(value: &Value, shape: &Shape, batch: &Tensor) -> Result<Tensor, TchError> {
    match value {
        Value::Tensor(x) => Ok(x.shallow_clone()),
        Value::Zeros => {
            let repeats = batch.size()[0];
            Tensor::f_zeros(sizes(shape, repeats).as_slice(), (batch.kind(), batch.device()))
        }
    }
}

/// A shape of the graph, which has batch size 1, at another batch size.
fn sizes(shape: &Shape, batch: i64) -> Vec<i64> {
    let mut dims: Vec<i64> = shape.0.iter().map(|&d| d as i64).collect();
    if let Some(first) = dims.first_mut() {
        *first = batch;
    }
    dims
}

fn missing() -> TchError {
    TchError::Shape("an operand was not computed".to_owned())
}
