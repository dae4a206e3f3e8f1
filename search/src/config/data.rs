//! Table `[data]`: which images, how they are split and changed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::{Preset, Step};

/// The kinds of data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataSetKind {
    /// 70,000 grey images of clothes, 28x28, 10 classes; Debian package `dataset-fashion-mnist`.
    FashionMnist,
    /// 60,000 colour images, 32x32, 10 classes, in the binary version of the archive.
    Cifar10,
    /// `train/<class>/` and `val/<class>/` with JPEG or PNG files, as ImageNet is usually unpacked.
    ImageFolder,
    /// Two lists of files with labels, CSV or `path label` a line.
    List,
}

/// The images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Which data set.
    pub dataset: DataSetKind,
    /// Its folder; of lists, the folder that the paths in them are relative to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The list of training images, for lists only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_list: Option<PathBuf>,
    /// The list of test images, for lists only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_list: Option<PathBuf>,
    /// Share of the training images that a search trains weights on; it evaluates architectures on the others. A
    /// training of one network uses all and evaluates on the test images.
    #[serde(default = "half")]
    pub train_portion: f64,
    /// Use only so many training images, the same share of each class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_train_images: Option<usize>,
    /// Use only so many test images, the same share of each class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_test_images: Option<usize>,
    /// A named pair of transforms, for training and for evaluation.
    #[serde(default)]
    pub transform: Preset,
    /// Steps in place of the preset's, for training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_transform: Option<Vec<Step>>,
    /// Steps in place of the preset's, for evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_transform: Option<Vec<Step>>,
    /// Whether a search changes the images it evaluates architectures on as it does those it trains on.
    #[serde(default)]
    pub augment_valid: bool,
    /// Threads that decode and change images.
    #[serde(default = "two")]
    pub workers: usize,
    /// How many images that cannot be read are left out before the training stops.
    #[serde(default = "ten")]
    pub max_corrupt: usize,
}

fn half() -> f64 {
    0.5
}

fn two() -> usize {
    2
}

fn ten() -> usize {
    10
}
