//! Supernets, searchers and training on libtorch. The program `nasprof-search` runs them for the command line.

mod batch;
mod called;
mod device;
mod error;
mod gpu_failure;
pub mod loss;
mod numerics;
pub mod optimizer;
mod place;
pub mod proxies;
pub mod proximal;
pub mod regularizers;
mod replay;
pub mod run;
mod scale;
pub mod searchers;
mod session;
mod session_state;
mod session_steps;
pub mod supernet;

pub use batch::{Gradients, MiniBatch};
pub use error::SearchError;
pub use gpu_failure::on_this_gpu;
pub use place::NoGpu;
pub use session::Session;
pub use session_steps::Loss;
