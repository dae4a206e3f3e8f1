//! The space of DARTS, also that of PNAS (nnabla-nas.md 2.1 and 2.2).

mod cell;
mod discretize;
mod genotype;
mod operation;
mod spec;
mod supernet;

pub use discretize::{DiscreteCell, DiscreteEdge, DiscretizeError, discretize, discretize_probabilities};
pub use genotype::{Genotype, GenotypeEdge, GenotypeError};
pub use operation::Operation;
pub use spec::{DartsSpec, TrainOptions};
