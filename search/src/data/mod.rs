//! Images and labels for training: data sets, splits, transforms and a loader with worker threads.
//!
//! A [`DataSet`] holds all labels in memory and decodes images on request; [`load`] opens the data set of an experiment. A
//! [`Loader`] makes batches of it. The transform of an image depends on seed, epoch and image, not on the number of threads
//! or their timing.

mod cifar;
mod dataset;
mod error;
mod folder;
mod idx;
mod image;
mod list;
mod loader;
mod open;
mod random;
mod split;
mod transform;

pub use dataset::DataSet;
pub use error::{Corrupt, DataError};
pub use image::{Image, Size};
pub use loader::{Batch, Loader, LoaderOptions, Stream};
pub use open::{Opened, open};
pub use random::{Purpose, stream};
pub use split::{split_stratified, take_stratified};
pub use transform::{Preset, Step, Transform};
