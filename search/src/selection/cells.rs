//! DARTS cells among the choices of a space.

use std::collections::BTreeMap;

use nasprof_graph::Choice;
use nasprof_spaces::darts::Operation;

/// The edges that end in each inner node of the shared cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    /// Positions of the choices, one list per node.
    pub(super) nodes: Vec<Vec<usize>>,
    /// Index of `none` in every choice.
    pub(super) none: u16,
}

impl Cells {
    /// The cells, if all choices are edges of shared cells: named `normal/edge_<source>_<node>` or `reduce/…`, with the
    /// operations of DARTS. `None` otherwise.
    #[must_use]
    pub fn find(choices: &[Choice]) -> Option<Self> {
        let operations: Vec<&str> = Operation::ALL.iter().map(|op| op.name()).collect();
        let none = operations.iter().position(|name| *name == Operation::None.name())?;
        let mut nodes: BTreeMap<(&str, usize), Vec<usize>> = BTreeMap::new();
        for (i, choice) in choices.iter().enumerate() {
            let (cell, edge) = choice.name.split_once('/')?;
            let (_, node) = edge.strip_prefix("edge_")?.split_once('_')?;
            if !matches!(cell, "normal" | "reduce") || choice.candidates != operations {
                return None;
            }
            nodes.entry((cell, node.parse().ok()?)).or_default().push(i);
        }
        let nodes: Vec<Vec<usize>> = nodes.into_values().collect();
        let complete = !nodes.is_empty() && nodes.iter().all(|edges| edges.len() >= 2);
        complete.then_some(Self { nodes, none: none as u16 })
    }
}
