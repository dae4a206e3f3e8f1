//! Opens the data set of an experiment.

use std::path::Path;

use super::{DataError, DataSet, cifar, folder, idx, list, take_stratified};
use crate::config::{DataConfig, DataSetKind};

/// Training and test images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Images for training and searching.
    pub train: DataSet,
    /// Indices of the training images to use.
    pub train_images: Vec<u32>,
    /// Images for evaluating a trained network.
    pub test: DataSet,
    /// Indices of the test images to use.
    pub test_images: Vec<u32>,
}

/// Opens a data set. Image files are decoded to `channels`. If the experiment limits the number of images, the seed selects
/// them.
///
/// # Errors
/// If files are missing (the hint says what to install or download) or have the wrong format.
pub fn open(config: &DataConfig, channels: usize, seed: u64) -> Result<Opened, DataError> {
    let path = config.path.as_deref();
    let listed = |list: Option<&Path>, key: &str| {
        list.map(Path::to_owned).ok_or_else(|| {
            DataError::TooFew(format!("`data.{key}` is missing; set it to the path of the list of images"))
        })
    };
    let (train, test) = match config.dataset {
        DataSetKind::FashionMnist => idx::open(path.unwrap_or(Path::new(idx::DEBIAN_FOLDER)))?,
        DataSetKind::Cifar10 => cifar::open(path.unwrap_or(Path::new(cifar::DEFAULT_FOLDER)))?,
        DataSetKind::ImageFolder => folder::open(path.unwrap_or(Path::new(folder::DEFAULT_FOLDER)), channels)?,
        DataSetKind::List => {
            let train = listed(config.train_list.as_deref(), "train_list")?;
            let test = listed(config.test_list.as_deref(), "test_list")?;
            list::open(&train, &test, path, channels)?
        }
    };
    let train_images = take_stratified(train.labels(), config.max_train_images.unwrap_or(usize::MAX), seed);
    let test_images = take_stratified(test.labels(), config.max_test_images.unwrap_or(usize::MAX), seed);
    Ok(Opened { train, train_images, test, test_images })
}
