//! From the parameters of a searched cell to its two best edges for each node (Liu et al. 2019, section 2.4).

use thiserror::Error;

use super::cell::edges_of_node;
use super::genotype::GenotypeEdge;
use super::operation::Operation;

/// An edge that was kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DiscreteEdge {
    /// The operation and its source.
    pub edge: GenotypeEdge,
    /// Its probability among all candidates of the edge, `none` included.
    pub probability: f64,
}

/// A discretised cell.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscreteCell {
    /// The two kept edges of every inner node, the more probable first.
    pub nodes: Vec<[DiscreteEdge; 2]>,
    /// The operation of every edge in the reference's order (by node, then by source); `none` for edges that were not
    /// kept.
    pub choices: Vec<Operation>,
}

impl DiscreteCell {
    /// The cell in the form of a genotype.
    #[must_use]
    pub fn edges(&self) -> Vec<[GenotypeEdge; 2]> {
        self.nodes.iter().map(|edges| edges.map(|e| e.edge)).collect()
    }
}

/// Parameters that do not describe a cell.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DiscretizeError {
    /// Not 2, 5, 9, 14, … edges.
    #[error("{0} edges do not make a cell: n nodes have n (n + 3) / 2 edges")]
    Edges(usize),
    /// Not one value per candidate.
    #[error("edge {edge} has {actual} values, not {}", Operation::ALL.len())]
    Values {
        /// Index of the edge.
        edge: usize,
        /// How many values it has.
        actual: usize,
    },
    /// Not a number, or infinite.
    #[error("edge {0} has a value that is not a finite number")]
    NotFinite(usize),
}

/// Discretises a cell given its parameters (alphas), one row per edge: by node, then by source.
///
/// # Errors
/// If the rows are not those of a cell.
pub fn discretize(alphas: &[Vec<f64>]) -> Result<DiscreteCell, DiscretizeError> {
    for (edge, row) in alphas.iter().enumerate() {
        if row.iter().any(|a| !a.is_finite()) {
            return Err(DiscretizeError::NotFinite(edge));
        }
    }
    discretize_probabilities(&alphas.iter().map(|row| softmax(row)).collect::<Vec<_>>())
}

/// The same for softmax probabilities. An edge is ranked by its best candidate other than `none`; of equal edges the
/// first is kept.
///
/// # Errors
/// If the rows are not those of a cell.
pub fn discretize_probabilities(rows: &[Vec<f64>]) -> Result<DiscreteCell, DiscretizeError> {
    let mut best = Vec::with_capacity(rows.len());
    for (edge, row) in rows.iter().enumerate() {
        if row.len() != Operation::ALL.len() {
            return Err(DiscretizeError::Values { edge, actual: row.len() });
        }
        if row.iter().any(|p| !p.is_finite()) {
            return Err(DiscretizeError::NotFinite(edge));
        }
        best.push(best_operation(row));
    }
    let mut choices = vec![Operation::None; rows.len()];
    let mut nodes = Vec::new();
    let mut first = 0;
    while first < rows.len() {
        let node = nodes.len() + 2;
        let Some(candidates) = best.get(first..first + node) else {
            return Err(DiscretizeError::Edges(rows.len()));
        };
        let mut sources: Vec<usize> = edges_of_node(node).collect();
        sources.sort_by(|&a, &b| candidates[b].1.total_cmp(&candidates[a].1));
        nodes.push([sources[0], sources[1]].map(|source| {
            let (op, probability) = candidates[source];
            choices[first + source] = op;
            DiscreteEdge { edge: GenotypeEdge { op, source }, probability }
        }));
        first += node;
    }
    if nodes.is_empty() {
        return Err(DiscretizeError::Edges(0));
    }
    Ok(DiscreteCell { nodes, choices })
}

/// The most probable operation other than `none`, the first of equal ones.
fn best_operation(row: &[f64]) -> (Operation, f64) {
    let mut best = (Operation::ALL[0], row[0]);
    for (op, &p) in Operation::ALL.into_iter().zip(row) {
        if op != Operation::None && p > best.1 {
            best = (op, p);
        }
    }
    best
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|a| (a - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(raised: &[(usize, f64)]) -> Vec<f64> {
        let mut row = vec![0.0; 8];
        for &(i, alpha) in raised {
            row[i] = alpha;
        }
        row
    }

    #[test]
    fn the_references_example() {
        let alphas = [row(&[(2, 1.0)]), row(&[(7, 5.0)]), row(&[(3, 2.0)]), row(&[(6, 3.0)]), row(&[(0, 1.0)])];
        let cell = discretize(&alphas).unwrap();
        let kept: Vec<Vec<(Operation, usize)>> =
            cell.edges().iter().map(|node| node.iter().map(|e| (e.op, e.source)).collect()).collect();
        assert_eq!(
            kept,
            [
                [(Operation::SepConv3x3, 0), (Operation::DilConv3x3, 1)],
                [(Operation::SkipConnect, 1), (Operation::SepConv5x5, 0)]
            ]
        );
        let expected = [[0.279708, 0.006434], [0.741559, 0.513519]];
        for (node, expected) in cell.nodes.iter().zip(expected) {
            for (edge, p) in node.iter().zip(expected) {
                assert!((edge.probability - p).abs() < 1e-6, "{} is not {p}", edge.probability);
            }
        }
        let indices: Vec<usize> =
            cell.choices.iter().map(|c| Operation::ALL.iter().position(|o| o == c).unwrap()).collect();
        assert_eq!(indices, [2, 0, 3, 6, 7]);
    }

    #[test]
    fn large_parameters_do_not_overflow() {
        let cell = discretize(&[row(&[(4, 1e308)]), row(&[(5, -1e308)])]).unwrap();
        assert_eq!(cell.nodes[0][0].edge, GenotypeEdge { op: Operation::MaxPool3x3, source: 0 });
        assert_eq!(cell.nodes[0][0].probability, 1.0);
    }

    #[test]
    fn what_is_not_a_cell_is_refused() {
        let fails = |rows: &[Vec<f64>]| discretize(rows).unwrap_err().to_string();
        for count in [0, 1, 3, 4, 6] {
            let message = format!("{count} edges do not make a cell: n nodes have n (n + 3) / 2 edges");
            assert_eq!(fails(&vec![row(&[]); count]), message);
        }
        assert_eq!(fails(&[row(&[]), vec![0.0; 7]]), "edge 1 has 7 values, not 8");
        assert_eq!(fails(&[row(&[(1, f64::NAN)]), row(&[])]), "edge 0 has a value that is not a finite number");
    }
}
