//! Table `[data]`: the images, their split and their transforms.

use std::path::PathBuf;
use std::sync::Arc;

use nasprof_spaces::Space;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::training::Batches;
use super::{ConfigError, Experiment, Training};
use crate::data::{
    DataSet, Loader, LoaderOptions, Opened, Preset, Purpose, Size, Step, Transform, open, split_stratified, stream,
};
use crate::folder::hex;

/// Share of the training images that a search learns weights from, if the experiment does not say.
const SEARCH_PORTION: f64 = 0.5;
/// The same of a training of one network.
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
    /// Share of the training images that weights are learnt from. On the others a search judges architectures, and a
    /// training chooses the epoch whose weights it keeps; the test images are for the end. Of a training it may be 1: then
    /// the weights of the last epoch are kept. Default: 0.5 for a search, 0.9 for a training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_portion: Option<f64>,
    /// Use only so many training images, the same share of each class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_train_images: Option<usize>,
    /// Use only so many test images, the same share of each class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_test_images: Option<usize>,
    /// A named pair of transforms, for training and for evaluation. Default: that of the data set; image folders and
    /// lists have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Preset>,
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

    /// What is done to images for training and for evaluation.
    fn transforms(&self) -> Result<(Transform, Transform), ConfigError> {
        let preset = self.transform.or(match self.dataset {
            DataSetKind::FashionMnist => Some(Preset::FashionMnist),
            DataSetKind::Cifar10 => Some(Preset::Cifar10),
            DataSetKind::ImageFolder | DataSetKind::List => None,
        });
        let transform = |key: &str, steps: &Option<Vec<Step>>, of: fn(Preset) -> Vec<Step>| {
            let steps = steps.clone().or_else(|| preset.map(of));
            let steps =
                steps.ok_or_else(|| ConfigError::key("data.transform", "is missing: these images have no default"))?;
            Transform::new(steps).map_err(|problem| ConfigError::key(format!("data.{key}"), problem))
        };
        Ok((
            transform("train_transform", &self.train_transform, Preset::train)?,
            transform("test_transform", &self.test_transform, Preset::test)?,
        ))
    }

    fn check(&self, searches: bool) -> Result<(), ConfigError> {
        let fail = |key: &str, problem: String| Err(ConfigError::key(format!("data.{key}"), problem));
        let portion = self.portion(searches);
        if !(portion > 0.0 && portion <= 1.0) {
            return fail("train_portion", format!("{portion} is not in (0, 1]"));
        }
        if searches && portion == 1.0 {
            return fail("train_portion", "1 leaves no images to judge architectures on".to_owned());
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
                None if is_list => return fail(key, "is missing: it names the list of images".to_owned()),
                Some(_) if !is_list => return fail(key, "is for the data set `list`".to_owned()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The images of an experiment.
#[derive(Debug, Clone)]
pub struct Loaders {
    /// For the weights: the share of the training images that `train_portion` names.
    pub train: Loader,
    /// The other training images: a search judges architectures on them, a training chooses its epoch by them. `None` for
    /// a training that learns from all.
    pub valid: Option<Loader>,
    /// The test images, for the end of a training.
    pub test: Loader,
    /// How updates of the weights go over `train`.
    pub train_batches: Batches,
    /// How updates of the architecture go over `valid`.
    pub valid_batches: Batches,
}

impl Loaders {
    /// Opens the data set and checks it against the network and the batch sizes.
    pub(super) fn open(
        config: &DataConfig,
        training: &Training,
        experiment: &Experiment,
        space: &Space,
    ) -> Result<Self, ConfigError> {
        let searches = experiment.searcher.is_some();
        config.check(searches)?;
        let (for_train, for_test) = config.transforms()?;
        let size = image_size(space)?;
        let Opened { train, train_images, test, test_images } = open(config, size.channels, experiment.seed)?;
        check_classes(&train, space)?;
        let (train, test) = (Arc::new(train), Arc::new(test));
        let (weights, valid) = split(config.portion(searches), &train, &train_images, experiment.seed);
        let at = |(key, problem): (&str, String)| ConfigError::key(format!("training.{key}"), problem);
        let train_batches = training.batches(weights.len()).map_err(at)?;
        let evaluation = |images: usize| training.valid_batches(images.max(training.valid_batch()));
        let valid_batches =
            if searches { training.valid_batches(valid.len()) } else { evaluation(valid.len()) }.map_err(at)?;
        let loader = |data: &Arc<DataSet>, images: Vec<u32>, transform: &Transform, batches: Batches, salt: u64| {
            let batch_size = batches.mini_batch.min(images.len());
            let options = LoaderOptions {
                batch_size,
                batches_per_epoch: (batches.accumulate * batches.steps).min(images.len() / batch_size.max(1)).max(1),
                // Two streams over the same images must not be in step.
                seed: experiment.seed.wrapping_mul(2).wrapping_add(salt),
                workers: config.workers,
                max_corrupt: config.max_corrupt,
            };
            Loader::new(Arc::clone(data), images, transform.clone(), size, options)
        };
        let for_valid = if searches && config.augment_valid { &for_train } else { &for_test };
        let valid = Some(valid).filter(|images| !images.is_empty());
        Ok(Self {
            train: loader(&train, weights, &for_train, train_batches, 0)?,
            valid: valid.map(|images| loader(&train, images, for_valid, valid_batches, 1)).transpose()?,
            test: loader(&test, test_images, &for_test, valid_batches, 1)?,
            train_batches,
            valid_batches,
        })
    }

    /// SHA-256 of what the images are: classes, labels, and pixels, or of images in files their names and sizes.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        self.train.data().digest(&mut hasher);
        self.test.data().digest(&mut hasher);
        hex(&hasher.finalize())
    }
}

/// Images to learn from, and the others. Architectures are judged with the statistics of batches of the others, and folders
/// of images come class by class: so these are shuffled.
fn split(portion: f64, data: &DataSet, images: &[u32], seed: u64) -> (Vec<u32>, Vec<u32>) {
    let labels: Vec<u32> = images.iter().map(|&i| data.labels()[i as usize]).collect();
    let (first, mut second) = split_stratified(&labels, portion, seed);
    second.shuffle(&mut stream(seed, Purpose::Split, 1, 0));
    let of = |part: Vec<u32>| part.into_iter().map(|i| images[i as usize]).collect::<Vec<u32>>();
    (of(first), of(second))
}

/// The image that the network takes.
fn image_size(space: &Space) -> Result<Size, ConfigError> {
    match space.graph.data_shapes()[..] {
        [shape] if shape.0.len() == 4 && matches!(shape.0[1], 1 | 3) => {
            Ok(Size::new(shape.0[1], shape.0[2], shape.0[3]))
        }
        _ => Err(ConfigError::key("space", format!("`{}` does not take one image of 1 or 3 channels", space.name))),
    }
}

fn check_classes(data: &DataSet, space: &Space) -> Result<(), ConfigError> {
    let outputs = space.graph.outputs().first().and_then(|&id| space.graph.node(id).shape.0.last());
    let (classes, outputs) = (data.classes().len(), outputs.copied().unwrap_or(0));
    if classes == outputs {
        return Ok(());
    }
    let problem = format!("`{}` tells {outputs} classes apart, the data set has {classes}", space.name);
    Err(ConfigError::key("space", problem))
}
