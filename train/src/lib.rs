//! Supernets, searchers and training on libtorch. The program `nasprof-search` runs them for the command line.

mod device;
mod error;
pub mod loss;
mod numerics;
pub mod optimizer;
mod place;
pub mod proximal;
pub mod regularizers;
pub mod run;
pub mod searchers;
mod scale;
mod session;
pub mod supernet;

pub use error::SearchError;
pub use place::NoGpu;
pub use session::{Gradients, Loss, MiniBatch, Session};
