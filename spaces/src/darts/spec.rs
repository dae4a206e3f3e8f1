//! The description of a space of DARTS cells.

use num_bigint::BigUint;
use serde::{Deserialize, Serialize};

use super::super::checks;
use super::super::error::SpaceError;
use super::operation::Operation;

/// Cells of DARTS, also those of PNAS: a stem (a 3x3 convolution), normal cells and two reduction cells. A cell reads
/// the two before it; every edge between its nodes is a choice of an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DartsSpec {
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// Classes: outputs of the network.
    pub num_classes: usize,
    /// Channels of the first cell's nodes.
    pub init_channels: usize,
    /// Cells; those at a third and at two thirds of the way halve the map and double the channels.
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

/// Additions for training; none by default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TrainOptions {
    /// Probability that an edge is dropped for a sample; skips are never dropped.
    pub drop_path: f64,
    /// Whether the last reduction cell gets a second classifier, whose logits are the second output.
    pub auxiliary: bool,
}

/// Bounds that keep a typing error from building for minutes.
const MAX_NODES_OF_CELL: usize = 12;
const MAX_EDGES: usize = 5000;

impl DartsSpec {
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

    /// Refuses values that make no sense.
    pub(super) fn check(&self, options: TrainOptions) -> Result<(), SpaceError> {
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
