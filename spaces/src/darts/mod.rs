//! The space of DARTS (Liu et al. 2019), which NNabla-NAS also uses for PNAS.

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
