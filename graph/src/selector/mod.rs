//! Fast selection of many sub-networks: the supernet is compiled to flat arrays, and no graph is built for a
//! sub-network.

mod costs;
mod memory;

use crate::arch::Choice;
use crate::passes::{SelectError, ZeroWhen, forwards_input};
use crate::{Arch, Graph, NodeId, Op};

pub use costs::SelectedCosts;

/// What a step does with its operands' values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Takes the selected operand.
    Choice(u32),
    /// Drops operands that are zero.
    Add,
    /// Exists before the network runs and stays in memory.
    Input,
    /// Computes, unless its value is known to be zero.
    Layer(ZeroWhen),
}

#[derive(Debug, Clone)]
struct Step {
    role: Role,
    /// Where its operands start and end in [`Selector::operands`].
    operands: [u32; 2],
    /// Returns a single operand unchanged.
    forwards_input: bool,
    /// Shares its operand's memory.
    is_view: bool,
    /// Size of its value.
    bytes: u64,
}

/// Finds the layers of an architecture as [`Runtime::TorchEager`](crate::runtime::Runtime::TorchEager) runs them: pruned,
/// zeros folded, identities left out. Selecting allocates nothing: the selector holds its work space.
#[derive(Debug, Clone)]
pub struct Selector {
    choices: Vec<Choice>,
    steps: Vec<Step>,
    operands: Vec<u32>,
    outputs: Vec<u32>,
    /// The step that computes each step's value, behind choices and identities.
    source: Vec<u32>,
    /// The step's value is known to be zero.
    zero: Vec<bool>,
    /// An output or a needed step reads the step's value.
    needed: Vec<bool>,
    layers: Vec<SelectedLayer>,
    memory: memory::Lifetimes,
}

/// A layer that a selected network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectedLayer {
    /// Its node in the supernet.
    pub node: NodeId,
    /// Number of operands left: fewer than in the supernet for a sum with operands that are zero.
    pub operands: u32,
}

impl Selector {
    /// Compiles a supernet.
    #[must_use]
    pub fn new(graph: &Graph) -> Self {
        let choices = graph.choices();
        let mut operands = Vec::new();
        let steps: Vec<Step> = graph
            .nodes()
            .iter()
            .map(|node| {
                let role = match &node.op {
                    Op::Choice { choice, .. } => {
                        Role::Choice(choices.iter().position(|c| c.name == *choice).unwrap_or(0) as u32)
                    }
                    Op::Add => Role::Add,
                    Op::Input { .. } | Op::Constant { .. } => Role::Input,
                    op => Role::Layer(ZeroWhen::of(op)),
                };
                let start = operands.len() as u32;
                operands.extend(node.inputs.iter().map(|id| id.0 as u32));
                Step {
                    role,
                    operands: [start, operands.len() as u32],
                    forwards_input: node.inputs.len() == 1 && forwards_input(&node.op),
                    is_view: crate::cost::is_view(&node.op),
                    bytes: match node.op {
                        // Counted with the parameters.
                        Op::Constant { .. } => 0,
                        _ => node.shape.elements() * crate::cost::ELEMENT_BYTES,
                    },
                }
            })
            .collect();
        let count = steps.len();
        Self {
            choices,
            outputs: graph.outputs().iter().map(|id| id.0 as u32).collect(),
            operands,
            source: vec![0; count],
            zero: vec![false; count],
            needed: vec![false; count],
            layers: Vec::with_capacity(count),
            memory: memory::Lifetimes::new(count),
            steps,
        }
    }

    /// Finds the layers of an architecture, in the order in which they run.
    ///
    /// # Errors
    /// If it is not an architecture of the graph.
    pub fn select(&mut self, arch: &Arch) -> Result<&[SelectedLayer], SelectError> {
        self.select_indices(&arch.0)
    }

    pub(crate) fn select_indices(&mut self, arch: &[u16]) -> Result<&[SelectedLayer], SelectError> {
        if arch.len() != self.choices.len() {
            return Err(SelectError::Count { expected: self.choices.len(), actual: arch.len() });
        }
        for (choice, &index) in self.choices.iter().zip(arch) {
            if usize::from(index) >= choice.candidates.len() {
                let candidates = choice.candidates.len();
                return Err(SelectError::Index { choice: choice.name.clone(), candidates, index });
            }
        }
        self.reach(arch);
        self.resolve(arch);
        self.demand();
        Ok(&self.layers)
    }

    /// Marks all steps that the outputs can reach: more than those that run, but no unselected candidates.
    fn reach(&mut self, arch: &[u16]) {
        self.needed.fill(false);
        for &output in &self.outputs {
            self.needed[output as usize] = true;
        }
        for (i, step) in self.steps.iter().enumerate().rev() {
            if !self.needed[i] {
                continue;
            }
            let [start, end] = step.operands.map(|o| o as usize);
            match step.role {
                Role::Choice(choice) => {
                    let selected = self.operands[start + usize::from(arch[choice as usize])];
                    self.needed[selected as usize] = true;
                }
                Role::Layer(ZeroWhen::Always) => {}
                _ => self.operands[start..end].iter().for_each(|&o| self.needed[o as usize] = true),
            }
        }
    }

    /// Finds where values come from and which are zero.
    fn resolve(&mut self, arch: &[u16]) {
        for (i, step) in self.steps.iter().enumerate() {
            if !self.needed[i] {
                continue;
            }
            let [start, end] = step.operands.map(|o| o as usize);
            let operands = &self.operands[start..end];
            let (source, zero) = match step.role {
                Role::Choice(choice) => {
                    let selected = self.source[operands[usize::from(arch[choice as usize])] as usize];
                    (selected, self.zero[selected as usize])
                }
                Role::Input => (i as u32, false),
                Role::Layer(_) if step.forwards_input => {
                    let operand = self.source[operands[0] as usize];
                    (operand, self.zero[operand as usize])
                }
                Role::Layer(when) => {
                    let zeros = operands.iter().filter(|&&o| self.zero[self.source[o as usize] as usize]).count();
                    (i as u32, when.holds(operands.len(), zeros))
                }
                Role::Add => {
                    let mut left =
                        operands.iter().map(|&o| self.source[o as usize]).filter(|&s| !self.zero[s as usize]);
                    match (left.next(), left.next()) {
                        (None, _) => (i as u32, true),
                        (Some(only), None) => (only, false),
                        _ => (i as u32, false),
                    }
                }
            };
            self.source[i] = source;
            // A step that forwards a zero is not marked: only sources are checked.
            self.zero[i] = zero && source as usize == i;
        }
    }

    /// Keeps the steps that run: an output or a running step reads them, and they are not zero.
    fn demand(&mut self) {
        self.layers.clear();
        self.needed.fill(false);
        for &output in &self.outputs {
            self.needed[self.source[output as usize] as usize] = true;
        }
        for (i, step) in self.steps.iter().enumerate().rev() {
            if !self.needed[i] || self.zero[i] || step.role == Role::Input {
                continue;
            }
            let [start, end] = step.operands.map(|o| o as usize);
            let mut operands = 0;
            for &operand in &self.operands[start..end] {
                let source = self.source[operand as usize] as usize;
                if step.role != Role::Add || !self.zero[source] {
                    self.needed[source] = true;
                    operands += 1;
                }
            }
            self.layers.push(SelectedLayer { node: NodeId(i), operands });
        }
        self.layers.reverse();
    }
}
