//! Selects one architecture of a supernet.

use std::collections::HashMap;

use thiserror::Error;

use super::rewrite::{Fate, rewrite};
use crate::{Arch, Graph, Op};

/// An architecture that does not fit the graph.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectError {
    /// Wrong number of selections.
    #[error("the architecture selects {actual} choices, the graph has {expected}")]
    Count {
        /// Choices in the graph.
        expected: usize,
        /// Selections given.
        actual: usize,
    },
    /// An index past the last candidate.
    #[error("choice `{choice}` has {candidates} candidates, index {index} selected")]
    Index {
        /// Name of the choice.
        choice: String,
        /// How many candidates it has.
        candidates: usize,
        /// The index.
        index: u16,
    },
}

/// Replaces every choice by the candidate that `arch` selects. Candidates not selected stay in the graph until
/// [`super::eliminate_dead_code`] removes what no output needs.
///
/// # Errors
/// If the architecture is not one of this graph.
pub fn select(graph: &Graph, arch: &Arch) -> Result<Graph, SelectError> {
    let choices = graph.choices();
    if choices.len() != arch.0.len() {
        return Err(SelectError::Count { expected: choices.len(), actual: arch.0.len() });
    }
    let mut selected: HashMap<&str, usize> = HashMap::new();
    for (choice, &index) in choices.iter().zip(&arch.0) {
        if usize::from(index) >= choice.candidates.len() {
            let candidates = choice.candidates.len();
            return Err(SelectError::Index { choice: choice.name.clone(), candidates, index });
        }
        selected.insert(&choice.name, usize::from(index));
    }
    Ok(rewrite(graph, |node, _| match &node.op {
        Op::Choice { choice, .. } => match selected.get(choice.as_str()) {
            Some(&index) => Fate::Replace(node.inputs[index]),
            None => Fate::Keep(node),
        },
        _ => Fate::Keep(node),
    }))
}
