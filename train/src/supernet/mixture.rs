//! Weighted sums of candidates. Each candidate is added while it is still in the cache, and freed before the next one
//! is computed unless a gradient needs it.

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
    /// Its place among the choices.
    choice: usize,
    /// Which candidate the node is.
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
    /// The weights with which the choice takes its candidate along a path; none where it does not mix. `parts` keeps the
    /// weights of each choice's node apart: split at once, their gradients come together in one operation.
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
                    // Of its candidates' kind: else a sum of 16-bit floats becomes one of 32-bit floats.
                    Value::Tensor(x) => all[self.choice].f_to_kind(x.kind())?,
                    Value::Zeros => all[self.choice].shallow_clone(),
                };
                free.insert(weights.f_unbind(0)?)
            }
        };
        Ok(positions.into_iter().map(|at| parts[at].shallow_clone()).collect())
    }
}

/// A sum of candidates so far and one more; zeros add nothing.
pub(super) fn plus(sum: Option<Value>, candidate: &Value, weight: &Tensor) -> Result<Value, TchError> {
    Ok(match (sum, candidate) {
        (Some(Value::Tensor(sum)), Value::Tensor(x)) => Value::Tensor(sum.f_addcmul(x, weight)?),
        (_, Value::Tensor(x)) => Value::Tensor(x.f_mul(weight)?),
        (sum, Value::Zeros) => sum.unwrap_or(Value::Zeros),
    })
}
