//! Weighted sums of candidates. Each candidate is added while it is still in the cache. It is freed before the next one is
//! computed, unless a gradient needs it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use nasprof_graph::{Graph, Op};
use tch::{TchError, Tensor};

use super::path::{Path, Value};

/// A choice that reads a node.
#[derive(Debug)]
pub(super) struct Taker {
    /// The choice's node.
    pub(super) node: usize,
    /// Its index among the choices.
    choice: usize,
    /// The index of the node among the candidates.
    candidate: u16,
}

/// The choices that read each node.
pub(super) fn takers(graph: &Graph, choice_index: &HashMap<String, usize>) -> Vec<Vec<Taker>> {
    let mut takers: Vec<Vec<Taker>> = graph.nodes().iter().map(|_| Vec::new()).collect();
    for (node, reader) in graph.nodes().iter().enumerate() {
        let Op::Choice { choice, .. } = &reader.op else { continue };
        for (candidate, id) in (0..).zip(&reader.inputs) {
            takers[id.0].push(Taker { node, choice: choice_index[choice], candidate });
        }
    }
    takers
}

impl Taker {
    /// The weights of this candidate in the choice along a path; empty if the choice does not mix. `parts` caches the
    /// separate weights of each choice's node. They are split in one operation, so that one operation also gathers their
    /// gradients.
    pub(super) fn weights(
        &self,
        path: Path<'_>,
        value: &Value,
        parts: &mut HashMap<usize, Vec<Tensor>>,
    ) -> Result<Vec<Tensor>, TchError> {
        let positions: Vec<usize> = match path {
            Path::Selected(_) => return Ok(Vec::new()),
            Path::Mixed(_) => vec![usize::from(self.candidate)],
            Path::Gated(pairs, _) => (0..2).filter(|&at| pairs[self.choice][at] == self.candidate).collect(),
        };
        let (Path::Mixed(all) | Path::Gated(_, all)) = path else { return Ok(Vec::new()) };
        let parts = match parts.entry(self.node) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => {
                let weights = match value {
                    // In the precision of the candidates; otherwise a sum of 16-bit floats becomes a 32-bit float.
                    Value::Tensor(x) => all[self.choice].f_to_kind(x.kind())?,
                    Value::Zeros => all[self.choice].shallow_clone(),
                };
                free.insert(weights.f_unbind(0)?)
            }
        };
        Ok(positions.into_iter().map(|at| parts[at].shallow_clone()).collect())
    }
}

/// Adds one more candidate to a sum; zeros add nothing.
pub(super) fn plus(sum: Option<Value>, candidate: &Value, weight: &Tensor) -> Result<Value, TchError> {
    Ok(match (sum, candidate) {
        (Some(Value::Tensor(sum)), Value::Tensor(x)) => Value::Tensor(sum.f_addcmul(x, weight)?),
        (_, Value::Tensor(x)) => Value::Tensor(x.f_mul(weight)?),
        (sum, Value::Zeros) => sum.unwrap_or(Value::Zeros),
    })
}
