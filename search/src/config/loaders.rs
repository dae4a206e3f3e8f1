//! The images of an experiment, split and ready to be loaded.

use std::sync::Arc;

use nasprof_base::text::hex;
use nasprof_spaces::Space;
use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

use super::training::Batches;
use super::{ConfigError, DataConfig, Experiment, Training};
use crate::data::{DataSet, Loader, LoaderOptions, Opened, Purpose, Size, Transform, open, split_stratified, stream};

/// The images of an experiment.
#[derive(Debug, Clone)]
pub struct Loaders {
    /// For the weights: the `train_portion` of the training images.
    pub train: Loader,
    /// The other training images: a search judges architectures on them, a training chooses its best epoch by them. `None`
    /// for a training that learns from all images.
    pub valid: Option<Loader>,
    /// The test images, for the final evaluation of a training.
    pub test: Loader,
    /// The batches of `train` for updates of the weights.
    pub train_batches: Batches,
    /// The batches of `valid` for updates of the architecture.
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
                // Two streams over the same images need different orders.
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

    /// SHA-256 of classes, labels and pixels. For images in files: of names and sizes instead of pixels.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        self.train.data().digest(&mut hasher);
        self.test.data().digest(&mut hasher);
        hex(&hasher.finalize())
    }
}

/// Splits into the images to learn from and the others. The others are shuffled: architectures are judged with the
/// statistics of their batches, and image folders list the images class by class.
fn split(portion: f64, data: &DataSet, images: &[u32], seed: u64) -> (Vec<u32>, Vec<u32>) {
    let labels: Vec<u32> = images.iter().map(|&i| data.labels()[i as usize]).collect();
    let (first, mut second) = split_stratified(&labels, portion, seed);
    second.shuffle(&mut stream(seed, Purpose::Split, 1, 0));
    let of = |part: Vec<u32>| part.into_iter().map(|i| images[i as usize]).collect::<Vec<u32>>();
    (of(first), of(second))
}

/// The size of the network's input image.
fn image_size(space: &Space) -> Result<Size, ConfigError> {
    match space.graph.data_shapes()[..] {
        [shape] if shape.0.len() == 4 && matches!(shape.0[1], 1 | 3) => {
            Ok(Size::new(shape.0[1], shape.0[2], shape.0[3]))
        }
        _ => {
            Err(ConfigError::key("space", format!("`{}` does not have one input image of 1 or 3 channels", space.name)))
        }
    }
}

fn check_classes(data: &DataSet, space: &Space) -> Result<(), ConfigError> {
    let outputs = space.graph.outputs().first().and_then(|&id| space.graph.node(id).shape.0.last());
    let (classes, outputs) = (data.classes().len(), outputs.copied().unwrap_or(0));
    if classes == outputs {
        return Ok(());
    }
    let problem = format!("`{}` has {outputs} classes, but the data set has {classes}", space.name);
    Err(ConfigError::key("space", problem))
}
