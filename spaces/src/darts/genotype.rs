//! Genotype files: discovered cells.

use nasprof_base::suggest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::cell::edges_of_node;
use super::operation::Operation;

/// One kept edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenotypeEdge {
    /// Its operation.
    pub op: Operation,
    /// The node that it reads: 0 and 1 are the cell's inputs, 2 is its first inner node.
    pub source: usize,
}

/// The two edges of every inner node, for normal and for reduction cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genotype {
    /// Always 1.
    pub format_version: u32,
    /// Cells that keep the map's size.
    pub normal: Vec<[GenotypeEdge; 2]>,
    /// Cells that halve it.
    pub reduce: Vec<[GenotypeEdge; 2]>,
}

/// A genotype that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GenotypeError {
    /// Neither TOML nor JSON, or a key or value that does not belong.
    #[error("{0}")]
    Syntax(String),
    /// Written by a later version.
    #[error("format_version {0} is not known (this version reads 1)")]
    Version(u32),
    /// For cells of another size.
    #[error("key `{cell}`: {actual} nodes, the space's cells have {expected}")]
    Nodes {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// Inner nodes of the space's cells.
        expected: usize,
        /// Nodes in the genotype.
        actual: usize,
    },
    /// Edges of a node that make no sense.
    #[error("key `{cell}`: node {node}: {problem}")]
    Edge {
        /// `normal` or `reduce`.
        cell: &'static str,
        /// The node, the cell's inputs counted as 0 and 1.
        node: usize,
        /// What is wrong.
        problem: String,
    },
}

/// A genotype is a page of text; a larger file is not one.
const MAX_TEXT: usize = 1 << 20;

impl Genotype {
    /// Makes a genotype of two cells, see [`super::DiscreteCell::edges`].
    #[must_use]
    pub fn new(normal: Vec<[GenotypeEdge; 2]>, reduce: Vec<[GenotypeEdge; 2]>) -> Self {
        Self { format_version: 1, normal, reduce }
    }

    /// "DARTS_V2": the cells that the DARTS paper's second-order search found.
    #[must_use]
    pub fn darts_v2() -> Self {
        use Operation::{DilConv3x3, MaxPool3x3, SepConv3x3, SkipConnect};
        let node = |(a, i), (b, j)| [GenotypeEdge { op: a, source: i }, GenotypeEdge { op: b, source: j }];
        Self::new(
            vec![
                node((SepConv3x3, 0), (SepConv3x3, 1)),
                node((SepConv3x3, 0), (SepConv3x3, 1)),
                node((SepConv3x3, 1), (SkipConnect, 0)),
                node((SkipConnect, 0), (DilConv3x3, 2)),
            ],
            vec![
                node((MaxPool3x3, 0), (MaxPool3x3, 1)),
                node((SkipConnect, 2), (MaxPool3x3, 1)),
                node((MaxPool3x3, 0), (SkipConnect, 2)),
                node((SkipConnect, 2), (MaxPool3x3, 1)),
            ],
        )
    }

    /// Reads a genotype file: JSON if it starts with a brace, else TOML.
    ///
    /// # Errors
    /// Syntax, an unknown key or operation (with the nearest known one), an unknown version.
    pub fn parse(text: &str) -> Result<Self, GenotypeError> {
        if text.len() > MAX_TEXT {
            return Err(GenotypeError::Syntax("the file is larger than 1 MiB".to_owned()));
        }
        let syntax = |message: &str| GenotypeError::Syntax(suggest::explain(message));
        let genotype: Self = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|e| syntax(&e.to_string()))?
        } else {
            toml::from_str(text).map_err(|e| syntax(e.message()))?
        };
        if genotype.format_version != 1 {
            return Err(GenotypeError::Version(genotype.format_version));
        }
        Ok(genotype)
    }

    /// The text of a genotype file, as TOML.
    ///
    /// # Errors
    /// If a source is larger than TOML's integers.
    pub fn to_toml(&self) -> Result<String, GenotypeError> {
        toml::to_string(self).map_err(|e| GenotypeError::Syntax(e.to_string()))
    }

    /// The text of a genotype file, as JSON.
    ///
    /// # Errors
    /// None is known; errors of the serialiser are returned.
    pub fn to_json(&self) -> Result<String, GenotypeError> {
        serde_json::to_string(self).map_err(|e| GenotypeError::Syntax(e.to_string()))
    }

    /// Checks it against cells with `nodes` inner nodes.
    ///
    /// # Errors
    /// The first node that does not fit.
    pub fn check(&self, nodes: usize) -> Result<(), GenotypeError> {
        for (cell, edges) in [("normal", &self.normal), ("reduce", &self.reduce)] {
            if edges.len() != nodes {
                return Err(GenotypeError::Nodes { cell, expected: nodes, actual: edges.len() });
            }
            for (i, [a, b]) in edges.iter().enumerate() {
                let node = i + 2;
                let fail = |problem: String| Err(GenotypeError::Edge { cell, node, problem });
                for edge in [a, b] {
                    if !edges_of_node(node).contains(&edge.source) {
                        return fail(format!("source {} does not come before the node", edge.source));
                    }
                    if edge.op == Operation::None {
                        return fail("a kept edge cannot be `none`".to_owned());
                    }
                }
                if a.source == b.source {
                    return fail(format!("source {} is listed twice", a.source));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_texts_round_trip() {
        let genotype = Genotype::darts_v2();
        assert_eq!(Genotype::parse(&genotype.to_toml().unwrap()).unwrap(), genotype);
        assert_eq!(Genotype::parse(&genotype.to_json().unwrap()).unwrap(), genotype);
        genotype.check(4).unwrap();
    }

    #[test]
    fn faults_are_named() {
        let toml = Genotype::darts_v2().to_toml().unwrap();
        let fails = |text: &str| Genotype::parse(text).unwrap_err().to_string();
        assert!(fails(&toml.replacen("sep_conv_3x3", "sep_conv_3x", 1)).contains("did you mean `sep_conv_3x3`?"));
        assert!(fails(&toml.replacen("normal", "normale", 1)).contains("did you mean `normal`?"));
        assert!(fails(&toml.replacen("= 1", "= 2", 1)).starts_with("format_version 2 is not known"));
        assert!(!fails("{").is_empty());

        let check = |change: fn(&mut Genotype)| {
            let mut genotype = Genotype::darts_v2();
            change(&mut genotype);
            genotype.check(4).unwrap_err().to_string()
        };
        assert_eq!(check(|g| g.normal.truncate(3)), "key `normal`: 3 nodes, the space's cells have 4");
        assert_eq!(
            check(|g| g.reduce[1][0].source = 3),
            "key `reduce`: node 3: source 3 does not come before the node"
        );
        assert_eq!(check(|g| g.reduce[1][0].source = 1), "key `reduce`: node 3: source 1 is listed twice");
        assert_eq!(
            check(|g| g.normal[0][0].op = Operation::None),
            "key `normal`: node 2: a kept edge cannot be `none`"
        );
    }
}
