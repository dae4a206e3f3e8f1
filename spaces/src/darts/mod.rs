//! The space of DARTS (Liu et al. 2019), which NNabla-NAS also uses for PNAS.

mod cell;
mod discretize;
mod genotype;
mod operation;

use std::collections::BTreeMap;

use nasprof_graph::{Graph, GraphBuilder};
use num_bigint::BigUint;
use serde::{Deserialize, Serialize};

use self::cell::{Cell, edge_name, edges_of_node, skeleton};
use super::{Space, SpaceError, checks};

pub use discretize::{DiscreteCell, DiscreteEdge, DiscretizeError, discretize, discretize_probabilities};
pub use genotype::{Genotype, GenotypeEdge, GenotypeError};
pub use operation::Operation;

/// Parameters of the space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DartsSpec {
    /// Channels, height, width of the input.
    pub input: [usize; 3],
    /// Classes.
    pub num_classes: usize,
    /// Channels of the first cell's nodes.
    pub init_channels: usize,
    /// Cells; those at a third and at two thirds halve the map and double the channels.
    pub num_cells: usize,
    /// Whether all normal cells are alike, and all reduction cells.
    pub shared: bool,
    /// Inner nodes of a cell.
    #[serde(default = "four")]
    pub num_choices: usize,
    /// How many of the last inner nodes make up a cell's output.
    #[serde(default = "four")]
    pub multiplier: usize,
    /// Channels of the stem in units of `init_channels`.
    #[serde(default = "three")]
    pub stem_multiplier: usize,
}

fn three() -> usize {
    3
}

fn four() -> usize {
    4
}

/// What training adds to a network. Nothing by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TrainOptions {
    /// Probability that an edge is dropped for a sample; skips are never dropped.
    pub drop_path: f64,
    /// Whether a second classifier is put on the last reduction cell; its logits are the second output.
    pub auxiliary: bool,
}

/// Bounds that keep a typing error from building for minutes.
const MAX_NODES_OF_CELL: usize = 12;
const MAX_EDGES: usize = 5000;

impl DartsSpec {
    pub(super) fn build(&self, name: &str) -> Result<Space, SpaceError> {
        Ok(Space::new(name, self.supernet(TrainOptions::default())?))
    }

    /// The supernet with what training adds; [`Space::graph`] is the one without.
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

    /// The network of a genotype: every node is the sum of its two edges and nothing else.
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

    /// The selections that make the supernet the network of a genotype: the genotype's operations on its edges, `none`
    /// on all others. They are the `choices` of an [`ArchFile`](nasprof_graph::arch::ArchFile).
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

    /// Number of pairs of cells that discretisation can give: two of a node's edges, each with an operation other than
    /// `none`.
    #[must_use]
    pub fn genotypes(&self) -> BigUint {
        let per_cell: BigUint = (0..self.num_choices)
            .map(|i| {
                let operations = Operation::ALL.len() - 1;
                BigUint::from((i + 2) * (i + 1) / 2 * operations * operations)
            })
            .product();
        per_cell.pow(2)
    }

    fn choice_name(&self, cell: &Cell, source: usize, node: usize) -> String {
        let edge = edge_name(source, node);
        match (self.shared, cell.reduction) {
            (false, _) => format!("cells/{}/{edge}", cell.index),
            (true, false) => format!("normal/{edge}"),
            (true, true) => format!("reduce/{edge}"),
        }
    }

    fn check(&self, options: TrainOptions) -> Result<(), SpaceError> {
        checks::within("num_choices", self.num_choices, 1..=MAX_NODES_OF_CELL)?;
        checks::within("multiplier", self.multiplier, 1..=self.num_choices)?;
        checks::within("num_cells", self.num_cells, 1..=MAX_EDGES)?;
        let edges = self.num_cells * self.num_choices * (self.num_choices + 3) / 2;
        if edges > MAX_EDGES {
            return Err(SpaceError::value("num_cells", format!("{edges} edges in all cells (limit {MAX_EDGES})")));
        }
        checks::probability("drop_path", options.drop_path)?;
        checks::image(self.input, 4)?;
        let [_, height, width] = self.input;
        if !height.is_multiple_of(4) || !width.is_multiple_of(4) {
            let problem = format!("{height}x{width} cannot be halved twice: both must be multiples of 4");
            return Err(SpaceError::value("input", problem));
        }
        if !self.init_channels.is_multiple_of(2) {
            let problem = format!("{} is odd: a reduction halves its channels", self.init_channels);
            return Err(SpaceError::value("init_channels", problem));
        }
        Ok(())
    }
}
