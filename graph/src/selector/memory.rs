//! Peak memory of a selected network.

use super::{Role, Selector};

/// Work space: for each step, the step whose memory holds its value, and the last step that needs that memory.
#[derive(Debug, Clone)]
pub(super) struct Lifetimes {
    buffer: Vec<u32>,
    last_use: Vec<u32>,
}

impl Lifetimes {
    pub(super) fn new(steps: usize) -> Self {
        Self { buffer: vec![0; steps], last_use: vec![0; steps] }
    }
}

/// After the last step.
const KEPT: u32 = u32::MAX;

impl Selector {
    /// The most bytes alive at once in the network selected last: activations, as
    /// in [`Graph::peak_activation_bytes`](crate::Graph::peak_activation_bytes), and the workspace of the running layer.
    /// `workspace` is indexed by node of the supernet.
    pub fn peak_bytes(&mut self, workspace: &[u64]) -> u64 {
        let Lifetimes { buffer, last_use } = &mut self.memory;
        let mut live = 0;
        for (i, step) in self.steps.iter().enumerate() {
            // The caller keeps the inputs, and constants exist before the network runs.
            let is_constant = self.needed[i] && self.zero[i];
            if step.role == Role::Input || is_constant {
                live += step.bytes;
                (buffer[i], last_use[i]) = (i as u32, KEPT);
            }
        }
        for layer in &self.layers {
            let i = layer.node.0;
            let step = &self.steps[i];
            let [start, end] = step.operands.map(|o| o as usize);
            let operands = &self.operands[start..end];
            buffer[i] = i as u32;
            last_use[i] = i as u32;
            if step.is_view
                && let Some(&operand) = operands.first()
            {
                buffer[i] = buffer[self.source[operand as usize] as usize];
            }
            for &operand in operands {
                let source = self.source[operand as usize] as usize;
                if step.role != Role::Add || !self.zero[source] {
                    let used = &mut last_use[buffer[source] as usize];
                    *used = (*used).max(i as u32);
                }
            }
            let own = &mut last_use[buffer[i] as usize];
            *own = (*own).max(i as u32);
        }
        for &output in &self.outputs {
            last_use[buffer[self.source[output as usize] as usize] as usize] = KEPT;
        }
        let mut peak = live;
        for layer in &self.layers {
            let i = layer.node.0;
            let step = &self.steps[i];
            if buffer[i] == i as u32 {
                live += step.bytes;
            }
            peak = peak.max(live + workspace.get(i).copied().unwrap_or(0));
            // After this layer, only the buffers of its operands and its own value can be freed, each once.
            let [start, end] = step.operands.map(|o| o as usize);
            let sources = self.operands[start..end].iter().map(|&o| self.source[o as usize]).chain([i as u32]);
            for source in sources {
                let held = buffer[source as usize] as usize;
                if last_use[held] == i as u32 {
                    live -= self.steps[held].bytes;
                    // Not freed twice if two operands are one value.
                    last_use[held] = KEPT;
                }
            }
        }
        peak
    }
}
