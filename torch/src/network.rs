//! A graph prepared to run: kernels with their weights, values in slots, freed after their last use.

use std::time::Instant;

use nasprof_agent::timer;
use nasprof_graph::{Graph, Op};
use nasprof_profiler::protocol::{Layout, Precision};
use tch::{Device, Kind, TchError, Tensor};

use super::kernel::{Kernel, random_weights};

/// Where a network runs, and what it computes with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    device: Device,
    kind: Kind,
    layout: Layout,
}

impl Place {
    /// # Errors
    /// A precision that this back end does not have.
    pub(crate) fn new(device: Device, precision: Precision, layout: Layout) -> Result<Self, String> {
        let kind = match precision {
            Precision::Float32 | Precision::Float32Strict => Kind::Float,
            Precision::Float16 => Kind::Half,
            Precision::Bfloat16 => Kind::BFloat16,
            Precision::Int8 => return Err(format!("libtorch's back ends do not compute in {}", precision.name())),
        };
        Ok(Self { device, kind, layout })
    }

    /// A tensor as it is there. Images and the kernels of convolutions have four dimensions.
    fn of(self, tensor: &Tensor) -> Result<Tensor, TchError> {
        let there = tensor.f_to_device(self.device)?.f_to_kind(self.kind)?;
        match self.layout {
            // The bindings have no memory formats; this is the same view of the same order in memory.
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
    /// Slots whose value nobody needs after this step.
    free: Vec<usize>,
}

pub(crate) struct Network {
    steps: Vec<Step>,
    slots: Vec<Option<Tensor>>,
}

impl Network {
    /// Weights are random with a variance that keeps activations near one (He et al. 2015): vanishing activations would
    /// become denormal numbers, which are slow.
    pub(crate) fn build(graph: &Graph, seed: u64, place: Place) -> Result<Self, String> {
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
        for (i, node) in nodes.iter().enumerate() {
            let dims: Vec<i64> = node.shape.0.iter().map(|&d| d as i64).collect();
            let fail = |e: TchError| format!("layer `{}` ({}): {}", node.name, node.op.name(), first_line(&e));
            match &node.op {
                // Data and constants stay for good.
                Op::Input { .. } => {
                    slots[i] = Some(
                        Tensor::f_randn(dims, (Kind::Float, place.device)).and_then(|x| place.of(&x)).map_err(fail)?,
                    );
                }
                Op::Zeros { .. } => {
                    slots[i] = Some(
                        Tensor::f_zeros(dims, (Kind::Float, place.device)).and_then(|x| place.of(&x)).map_err(fail)?,
                    );
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
        Ok(Self { steps, slots })
    }

    /// Drops data and results; the network cannot run after it.
    pub(super) fn drop_values(&mut self) {
        self.slots.iter_mut().for_each(|slot| *slot = None);
    }

    /// One run without timers.
    pub(crate) fn run_whole(&mut self) -> Result<(), String> {
        self.run_with(&mut || Ok(()))
    }

    /// One run with a clock reading after every layer; the nanoseconds of each add up to the run.
    pub(super) fn run_layers(&mut self) -> Result<Vec<u64>, String> {
        let mut marks = Vec::with_capacity(self.steps.len() + 1);
        marks.push(Instant::now());
        self.run_with(&mut || {
            marks.push(Instant::now());
            Ok(())
        })?;
        Ok(marks.windows(2).map(|pair| timer::between(pair[0], pair[1])).collect())
    }

    /// One run, with something to do after every layer.
    pub(crate) fn run_with(&mut self, after_layer: &mut dyn FnMut() -> Result<(), String>) -> Result<(), String> {
        for step in &self.steps {
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

/// libtorch's messages go on with a C++ stack trace.
fn first_line(error: &TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
