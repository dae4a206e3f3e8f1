//! Builds the networks of a description: the supernet and the network of a genotype.

use std::collections::BTreeMap;

use nasprof_graph::{Graph, GraphBuilder};

use super::super::error::SpaceError;
use super::super::space::Space;
use super::cell::{Cell, edge_name, edges_of_node, skeleton};
use super::genotype::{Genotype, GenotypeEdge};
use super::operation::Operation;
use super::spec::{DartsSpec, TrainOptions};

impl DartsSpec {
    pub(in super::super) fn build(&self, name: &str) -> Result<Space, SpaceError> {
        Ok(Space::new(name, self.supernet(TrainOptions::default())?))
    }

    /// The supernet with additions for training; [`Space::graph`] has none.
    ///
    /// # Errors
    /// A value that makes no sense or a network that cannot be built.
    pub fn supernet(&self, options: TrainOptions) -> Result<Graph, SpaceError> {
        self.check(options)?;
        let mut b = GraphBuilder::new();
        let outputs = skeleton(&mut b, self, options, |b, cell, node, values| {
            edges_of_node(node)
                .map(|source| {
                    let built = b.scope(edge_name(source, node), |b| {
                        Operation::ALL
                            .into_iter()
                            .map(|op| Ok((op.name().to_owned(), cell.edge(b, op, source, values[source], options)?)))
                            .collect::<Result<_, _>>()
                    })?;
                    b.choice_named(&edge_name(source, node), self.choice_name(cell, source, node), built)
                })
                .collect()
        })?;
        Ok(b.build(&outputs)?)
    }

    /// The network of a genotype: every node is the sum of its two edges.
    ///
    /// # Errors
    /// A genotype for other cells, a value that makes no sense or a network that cannot be built.
    pub fn network(&self, genotype: &Genotype, options: TrainOptions) -> Result<Graph, SpaceError> {
        self.check(options)?;
        genotype.check(self.num_choices).map_err(|e| SpaceError::value("genotype", e.to_string()))?;
        let mut b = GraphBuilder::new();
        let outputs = skeleton(&mut b, self, options, |b, cell, node, values| {
            let edges = if cell.reduction { &genotype.reduce } else { &genotype.normal };
            edges[node - 2]
                .iter()
                .map(|&GenotypeEdge { op, source }| {
                    b.scope(edge_name(source, node), |b| cell.edge(b, op, source, values[source], options))
                })
                .collect()
        })?;
        Ok(b.build(&outputs)?)
    }

    /// The selections that turn the supernet into the network of a genotype: the genotype's operations on its edges,
    /// `none` on all others. They are the `choices` of an [`ArchFile`](nasprof_graph::arch::ArchFile).
    #[must_use]
    pub fn selections(&self, genotype: &Genotype) -> BTreeMap<String, String> {
        let mut selected = BTreeMap::new();
        for cell in Cell::all(self) {
            let nodes = if cell.reduction { &genotype.reduce } else { &genotype.normal };
            for (i, edges) in nodes.iter().enumerate() {
                let node = i + 2;
                for source in edges_of_node(node) {
                    let op = edges.iter().find(|e| e.source == source).map_or(Operation::None, |e| e.op);
                    selected.insert(self.choice_name(&cell, source, node), op.name().to_owned());
                }
            }
        }
        selected
    }

    fn choice_name(&self, cell: &Cell, source: usize, node: usize) -> String {
        let edge = edge_name(source, node);
        match (self.shared, cell.reduction) {
            (false, _) => format!("cells/{}/{edge}", cell.index),
            (true, false) => format!("normal/{edge}"),
            (true, true) => format!("reduce/{edge}"),
        }
    }
}
