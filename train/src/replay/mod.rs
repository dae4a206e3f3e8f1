//! Steps that never change, recorded once and replayed (CUDA graphs).

mod mixture_gradient;
mod recorded;
mod weight_step;

pub(crate) use mixture_gradient::{MixtureGradient, ReplayedGradient};
pub(crate) use recorded::{Pass, prepare};
pub(crate) use weight_step::ReplayedStep;
