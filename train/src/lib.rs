//! Supernets, searchers and training on libtorch, which the program `nasprof-search` runs for the command line.

mod error;
pub mod loss;
pub mod optimizer;
pub mod proximal;
pub mod regularizers;
pub mod run;
pub mod searchers;
mod session;
pub mod supernet;

pub use error::SearchError;
pub use session::{Gradients, Loss, MiniBatch, Session};
