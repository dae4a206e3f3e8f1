//! A graph prepared to run: kernels with their weights, and values in slots that are freed after their last use.

use std::time::Instant;

use nasprof_agent::timer;
use nasprof_graph::{Graph, Op};
use nasprof_profiler::protocol::{Layout, Precision};
use tch::{Device, Kind, TchError, Tensor};

use super::kernel::{Kernel, random_weights};
use super::panics::caught;

/// Where a network runs, its data type and its memory layout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    device: Device,
    kind: Kind,
    layout: Layout,
}

impl Place {
    /// # Errors
    /// If this back end does not support the precision.
    pub(crate) fn new(device: Device, precision: Precision, layout: Layout) -> Result<Self, String> {
        let kind = match precision {
            Precision::Float32 | Precision::Float32Strict => Kind::Float,
            Precision::Float16 => Kind::Half,
            Precision::Bfloat16 => Kind::BFloat16,
            Precision::Int8 => return Err(format!("libtorch's back ends do not support {}", precision.name())),
        };
        Ok(Self { device, kind, layout })
    }

    /// Moves a tensor to this device, data type and layout. The layout applies to tensors of four dimensions: images and the
    /// kernels of convolutions.
    fn of(self, tensor: &Tensor) -> Result<Tensor, TchError> {
        // Index tensors hold integers in any precision.
        let kind = if tensor.kind() == Kind::Float { self.kind } else { tensor.kind() };
        let there = tensor.f_to_device(self.device)?.f_to_kind(kind)?;
        match self.layout {
            // The bindings have no memory formats; these permutations give the same view and the same order in memory.
            Layout::ChannelsLast if there.dim() == 4 => {
                there.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
            }
            _ => Ok(there),
        }
    }
}

struct Step {
    name: String,
    kernel: Kernel,
    weights: Vec<Tensor>,
    operands: Vec<usize>,
    output: usize,
    /// Slots whose values are not needed after this step.
    free: Vec<usize>,
}

pub(crate) struct Network {
    steps: Vec<Step>,
    slots: Vec<Option<Tensor>>,
    /// Slots of stored values, which belong to the network like its weights.
    constants: Vec<usize>,
}

impl Network {
    /// Builds a network with random weights. Their variance keeps activations near one (He et al. 2015), because vanishing
    /// activations would become denormal numbers, which are slow.
    pub(crate) fn build(graph: &Graph, seed: u64, place: Place) -> Result<Self, String> {
        caught(|| Self::built(graph, seed, place))?
    }

    fn built(graph: &Graph, seed: u64, place: Place) -> Result<Self, String> {
        tch::manual_seed(seed as i64);
        let nodes = graph.nodes();
        let mut last_use: Vec<usize> = (0..nodes.len()).collect();
        for (i, node) in nodes.iter().enumerate() {
            for id in &node.inputs {
                last_use[id.0] = i;
            }
        }
        for id in graph.outputs() {
            last_use[id.0] = usize::MAX;
        }
        let mut slots: Vec<Option<Tensor>> = (0..nodes.len()).map(|_| None).collect();
        let mut steps = Vec::with_capacity(graph.layers().count());
        let mut constants = Vec::new();
        for (i, node) in nodes.iter().enumerate() {
            let dims: Vec<i64> = node.shape.0.iter().map(|&d| d as i64).collect();
            let fail = |e: TchError| format!("layer `{}` ({}): {}", node.name, node.op.name(), first_line(&e));
            match &node.op {
                // Data and constants are never freed. Random numbers are the processor's, as for weights: those of a GPU are refused
                // after a capture that failed.
                Op::Input { .. } => {
                    slots[i] = Some(
                        Tensor::f_randn(dims, (Kind::Float, Device::Cpu)).and_then(|x| place.of(&x)).map_err(fail)?,
                    );
                }
                Op::Zeros { .. } => {
                    slots[i] = Some(
                        Tensor::f_zeros(dims, (Kind::Float, place.device)).and_then(|x| place.of(&x)).map_err(fail)?,
                    );
                }
                // A value that is safe as a divisor and in a logarithm.
                Op::Constant { .. } => {
                    let value = Tensor::f_full(dims, 0.5, (Kind::Float, place.device));
                    slots[i] = Some(value.and_then(|x| place.of(&x)).map_err(fail)?);
                    constants.push(i);
                }
                op => {
                    let shapes = graph.input_shapes(node);
                    let kernel = Kernel::new(op).map_err(|e| format!("layer `{}` ({}): {e}", node.name, op.name()))?;
                    let weights = random_weights(op, &shapes).map_err(fail)?;
                    let weights = weights.iter().map(|w| place.of(w)).collect::<Result<_, _>>().map_err(fail)?;
                    let mut free: Vec<usize> =
                        node.inputs.iter().map(|id| id.0).filter(|&s| last_use[s] == i).collect();
                    free.retain(|&s| nodes[s].op.is_layer());
                    free.sort_unstable();
                    free.dedup();
                    let operands = node.inputs.iter().map(|id| id.0).collect();
                    steps.push(Step { name: node.name.clone(), kernel, weights, operands, output: i, free });
                }
            }
        }
        Ok(Self { steps, slots, constants })
    }

    /// Drops data and results; the network cannot run afterwards.
    pub(super) fn drop_values(&mut self) {
        for (i, slot) in self.slots.iter_mut().enumerate() {
            if self.constants.binary_search(&i).is_err() {
                *slot = None;
            }
        }
    }

    /// One run without timers.
    pub(crate) fn run_whole(&mut self) -> Result<(), String> {
        self.run_with(&mut || Ok(()))
    }

    /// One run with a clock reading after every layer; the nanoseconds of all layers add up to the run.
    pub(super) fn run_layers(&mut self) -> Result<Vec<u64>, String> {
        let mut marks = Vec::with_capacity(self.steps.len() + 1);
        marks.push(Instant::now());
        self.run_with(&mut || {
            marks.push(Instant::now());
            Ok(())
        })?;
        Ok(marks.windows(2).map(|pair| timer::between(pair[0], pair[1])).collect())
    }

    /// One run that calls `after_layer` after every layer.
    pub(crate) fn run_with(&mut self, after_layer: &mut dyn FnMut() -> Result<(), String>) -> Result<(), String> {
        let mut at = 0;
        caught(|| self.run_steps(&mut at, after_layer))
            .unwrap_or_else(|problem| Err(format!("layer `{}`: {problem}", self.steps[at].name)))
    }

    /// As [`Self::run_with`]; `at` is the running layer's place.
    fn run_steps(&mut self, at: &mut usize, after_layer: &mut dyn FnMut() -> Result<(), String>) -> Result<(), String> {
        for (place, step) in self.steps.iter().enumerate() {
            *at = place;
            let operand = |i: usize| {
                let slot = step.operands.get(i).and_then(|&slot| self.slots[slot].as_ref());
                slot.ok_or_else(|| TchError::Shape("an operand was freed too early".to_owned()))
            };
            let value = step
                .kernel
                .run(&step.weights, step.operands.len(), operand)
                .map_err(|e| format!("layer `{}`: {}", step.name, first_line(&e)))?;
            self.slots[step.output] = Some(value);
            for &slot in &step.free {
                self.slots[slot] = None;
            }
            after_layer()?;
        }
        Ok(())
    }
}

/// The first line of libtorch's message; a C++ stack trace follows it.
pub(crate) fn first_line(error: &TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use nasprof_graph::{Cell, Function, GraphBuilder, NodeId, Shape};

    use super::*;

    fn plain() -> Place {
        Place::new(Device::Cpu, Precision::Float32, Layout::ChannelsFirst).unwrap()
    }

    /// Runs what `build` makes, joined with an input of the shape that is inferred for it: libtorch refuses another one.
    fn run(build: impl Fn(&mut GraphBuilder) -> NodeId) {
        let mut b = GraphBuilder::new();
        let y = build(&mut b);
        let like = b.shape(y).clone();
        let other = b.input("other", like).unwrap();
        let all = b.add("all", Op::Concat { axis: 0 }, &[y, other]).unwrap();
        let graph = b.build(&[all]).unwrap();
        let mut network = Network::build(&graph, 1, plain()).unwrap();
        network.run_whole().unwrap_or_else(|e| panic!("{e}: {:?}", graph.nodes()));
        network.run_whole().unwrap();
    }

    #[test]
    fn recurrent_layers_have_the_shapes_that_are_inferred() {
        for cell in [Cell::Lstm, Cell::Gru, Cell::Rnn] {
            for (bidirectional, given) in [(false, false), (true, false), (false, true)] {
                run(|b| {
                    let mut inputs = vec![b.input("x", [7, 2, 5]).unwrap()];
                    if given {
                        inputs.extend((0..cell.states()).map(|i| b.input(&format!("state_{i}"), [1, 2, 3]).unwrap()));
                    }
                    b.add("y", Op::Recurrent { cell, hidden: 3, bidirectional }, &inputs).unwrap()
                });
            }
        }
    }

    #[test]
    fn constants_are_operands_of_any_function() {
        let functions = [Function::Prelu, Function::Div, Function::Max, Function::Pow, Function::BroadcastAdd];
        for function in functions {
            for shape in [[1, 8, 1, 1], [1, 1, 1, 5], [1, 1, 1, 1]] {
                run(|b| {
                    let x = b.input("x", [2, 8, 3, 5]).unwrap();
                    let c = b.add("c", Op::Constant { shape: Shape::from(shape) }, &[]).unwrap();
                    b.add("y", Op::elementwise(function), &[x, c]).unwrap()
                });
            }
        }
        run(|b| {
            let x = b.input("x", [2, 8, 3, 5]).unwrap();
            let c = b.add("c", Op::Constant { shape: [1, 8, 1, 1].into() }, &[]).unwrap();
            let larger = b.add("larger", Op::elementwise(Function::Greater), &[x, c]).unwrap();
            let both = b.add("both", Op::elementwise(Function::And), &[larger, larger]).unwrap();
            let y = b.add("y", Op::elementwise(Function::Where), &[both, x, c]).unwrap();
            // A stored condition is none of truth values yet.
            b.add("z", Op::elementwise(Function::Where), &[c, y, x]).unwrap()
        });
    }

    #[test]
    fn parts_and_products_without_a_batch_run() {
        run(|b| {
            let x = b.input("x", [2, 8, 3, 5]).unwrap();
            b.add("y", Op::Gather { axis: 1, count: 11 }, &[x]).unwrap()
        });
        run(|b| {
            let x = b.input("x", [1, 8, 3, 5]).unwrap();
            let y = b.input("y", [4, 1, 5, 2]).unwrap();
            b.add("z", Op::Unbatched { op: Box::new(Op::MatMul) }, &[x, y]).unwrap()
        });
    }

    /// Stored values belong to a network as its weights do: they stay where data and results are dropped.
    #[test]
    fn stored_values_are_kept_where_data_is_dropped() {
        let mut b = GraphBuilder::new();
        let x = b.input("x", [1, 4]).unwrap();
        let c = b.add("c", Op::Constant { shape: [1, 4].into() }, &[]).unwrap();
        let y = b.add("y", Op::elementwise(Function::Sub), &[x, c]).unwrap();
        let mut network = Network::build(&b.build(&[y]).unwrap(), 1, plain()).unwrap();
        network.run_whole().unwrap();
        network.drop_values();
        let kept: Vec<bool> = network.slots.iter().map(Option::is_some).collect();
        assert_eq!(kept, [false, true, false]);
    }
}
