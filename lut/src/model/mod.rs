//! Profiles of models: the files of `measure --model`, and imported profiles of other programs, as one type.
//!
//! A profile has a model's own kernels. It is shown, compared and reported; no other network can be estimated from it.

mod check;
mod diff;
mod file;
mod of_lut;

pub use self::diff::{KernelDiff, Likeness, ModelDiff, TimeDiff, model_diff};
pub(crate) use self::file::is_profile;
pub use self::file::{parse_model, write_model};
pub use self::of_lut::model_of;
