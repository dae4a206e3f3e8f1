//! Table `[data]`: the images, their split and their transforms.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::data::{Preset, Step, Transform};

/// Default share of the training images that a search learns weights from.
const SEARCH_PORTION: f64 = 0.5;
/// The default for a training of one network.
const TRAINING_PORTION: f64 = 0.9;

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
    /// Two lists of files with labels: CSV, or `path label` on each line.
    List,
}

/// The images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Which data set.
    pub dataset: DataSetKind,
    /// Its folder. For lists: the folder that their paths are relative to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The list of training images, for lists only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_list: Option<PathBuf>,
    /// The list of test images, for lists only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_list: Option<PathBuf>,
    /// Share of the training images that weights are learnt from. A search judges architectures on the other images, and a
    /// training chooses its best epoch by them. For a training it may be 1, which keeps the weights of the last epoch. The
    /// test images serve only the final evaluation. Default: 0.5 for a search, 0.9 for a training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_portion: Option<f64>,
    /// Use at most this many training images, with the same share of each class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_train_images: Option<usize>,
    /// Use at most this many test images, with the same share of each class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_test_images: Option<usize>,
    /// A named pair of transforms, for training and for evaluation. Default: the preset of the data set; image folders and
    /// lists have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Preset>,
    /// Training steps that replace those of the preset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_transform: Option<Vec<Step>>,
    /// Evaluation steps that replace those of the preset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_transform: Option<Vec<Step>>,
    /// Whether a search also applies the training transform to the images that it judges architectures on.
    #[serde(default)]
    pub augment_valid: bool,
    /// Threads that decode and transform images.
    #[serde(default = "two")]
    pub workers: usize,
    /// Number of unreadable images that are skipped before the training stops.
    #[serde(default = "ten")]
    pub max_corrupt: usize,
}

fn two() -> usize {
    2
}

fn ten() -> usize {
    10
}

impl DataConfig {
    /// Share of the training images that weights are learnt from, by a search or by a training.
    #[must_use]
    pub fn portion(&self, searches: bool) -> f64 {
        self.train_portion.unwrap_or(if searches { SEARCH_PORTION } else { TRAINING_PORTION })
    }

    /// The transforms for training and for evaluation.
    pub(super) fn transforms(&self) -> Result<(Transform, Transform), ConfigError> {
        let preset = self.transform.or(match self.dataset {
            DataSetKind::FashionMnist => Some(Preset::FashionMnist),
            DataSetKind::Cifar10 => Some(Preset::Cifar10),
            DataSetKind::ImageFolder | DataSetKind::List => None,
        });
        let transform = |key: &str, steps: &Option<Vec<Step>>, of: fn(Preset) -> Vec<Step>| {
            let steps = steps.clone().or_else(|| preset.map(of));
            let steps =
                steps.ok_or_else(|| ConfigError::key("data.transform", "is missing; this data set has no default"))?;
            Transform::new(steps).map_err(|problem| ConfigError::key(format!("data.{key}"), problem))
        };
        Ok((
            transform("train_transform", &self.train_transform, Preset::train)?,
            transform("test_transform", &self.test_transform, Preset::test)?,
        ))
    }

    pub(super) fn check(&self, searches: bool) -> Result<(), ConfigError> {
        let fail = |key: &str, problem: String| Err(ConfigError::key(format!("data.{key}"), problem));
        let portion = self.portion(searches);
        if !(portion > 0.0 && portion <= 1.0) {
            return fail("train_portion", format!("{portion} is not in (0, 1]"));
        }
        if searches && portion == 1.0 {
            return fail("train_portion", "1 leaves no validation images".to_owned());
        }
        if !(1..=1024).contains(&self.workers) {
            return fail("workers", format!("{} is not in 1 to 1024", self.workers));
        }
        for (key, limit) in [("max_train_images", self.max_train_images), ("max_test_images", self.max_test_images)] {
            if limit == Some(0) {
                return fail(key, "must be at least 1".to_owned());
            }
        }
        let is_list = self.dataset == DataSetKind::List;
        for (key, list) in [("train_list", &self.train_list), ("test_list", &self.test_list)] {
            match list {
                None if is_list => return fail(key, "is missing; set it to the path of the list of images".to_owned()),
                Some(_) if !is_list => return fail(key, "applies only to the data set `list`".to_owned()),
                _ => {}
            }
        }
        Ok(())
    }
}
