//! Batches made by worker threads.
//!
//! Worker `w` of `n` makes the batches `w`, `w + n`, `w + 2n`, … and sends them through its own short channel. The reader
//! takes from the channels in turn. So the order is fixed, and a slow reader stops the workers (back-pressure). The content
//! of a batch does not depend on the thread that makes it.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rand::seq::SliceRandom;

use super::random::{Purpose, stream};
use super::{Corrupt, DataError, DataSet, Size, Transform};

/// Finished batches that wait for the reader, per worker.
const WAITING: usize = 2;

/// Images and labels for one forward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Pixel values in the order image, channel, height, width.
    pub images: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<i64>,
    /// Size of one image.
    pub size: Size,
    /// Unreadable images; the batch is smaller without them.
    pub skipped: Vec<Corrupt>,
}

/// Settings of a loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Images of a batch.
    pub batch_size: usize,
    /// Batches of an epoch of [`Loader::shuffled`].
    pub batches_per_epoch: usize,
    /// Seed of the order and the random transforms of the images.
    pub seed: u64,
    /// Threads.
    pub workers: usize,
    /// Maximum number of unreadable images to skip.
    pub max_corrupt: usize,
}

/// Makes batches of some images of a data set.
#[derive(Debug, Clone)]
pub struct Loader {
    source: Arc<Source>,
    workers: usize,
    max_corrupt: usize,
    /// Names of images already known as unreadable, so that each counts only once.
    corrupt: Arc<Mutex<HashSet<String>>>,
}

#[derive(Debug, Clone)]
struct Source {
    data: Arc<DataSet>,
    images: Vec<u32>,
    transform: Transform,
    size: Size,
    batch_size: usize,
    batches_per_epoch: usize,
    seed: u64,
}

impl Loader {
    /// A loader of `images` (indices of the data set), whose batches have images of `size`.
    ///
    /// # Errors
    /// If the transform makes images of another size, or if there are too few images for an epoch.
    pub fn new(
        data: Arc<DataSet>,
        images: Vec<u32>,
        transform: Transform,
        size: Size,
        options: LoaderOptions,
    ) -> Result<Self, DataError> {
        let LoaderOptions { batch_size, batches_per_epoch, seed, workers, max_corrupt } = options;
        if images.iter().any(|&i| i as usize >= data.len()) {
            return Err(DataError::TooFew(format!("an index exceeds the {} images", data.len())));
        }
        let needed = batch_size.saturating_mul(batches_per_epoch);
        if needed == 0 || needed > images.len() {
            let have = images.len();
            return Err(DataError::TooFew(format!(
                "{batches_per_epoch} batches of {batch_size} need {needed} images, but there are {have}"
            )));
        }
        check_size(&data, &images[..images.len().min(max_corrupt.saturating_add(1))], &transform, size)?;
        let source = Source { data, images, transform, size, batch_size, batches_per_epoch, seed };
        let corrupt = Arc::default();
        Ok(Self { source: Arc::new(source), workers: workers.max(1), max_corrupt, corrupt })
    }

    /// The same images with another order and other random transforms.
    #[must_use]
    pub fn with_seed(&self, seed: u64) -> Self {
        let source = Source { seed, ..(*self.source).clone() };
        Self { source: Arc::new(source), ..self.clone() }
    }

    /// Number of images that the batches use.
    #[must_use]
    pub fn images(&self) -> usize {
        self.source.images.len()
    }

    /// The data set of the images.
    #[must_use]
    pub fn data(&self) -> &DataSet {
        &self.source.data
    }

    /// Batches of an epoch of [`Loader::shuffled`].
    #[must_use]
    pub fn batches_per_epoch(&self) -> usize {
        self.source.batches_per_epoch
    }

    /// An endless stream of full batches, each epoch in its own order. It starts at batch `first`:
    /// `first = epoch * batches_per_epoch + step` continues another stream. An epoch leaves out the images that do not fill
    /// its last batch.
    #[must_use]
    pub fn shuffled(&self, first: u64) -> Stream {
        self.start(first, None)
    }

    /// All images once, in their order; the last batch may be smaller. Random transforms are those of epoch 0.
    #[must_use]
    pub fn in_order(&self) -> Stream {
        let batches = self.source.images.len().div_ceil(self.source.batch_size);
        self.start(0, Some(batches as u64))
    }

    fn start(&self, first: u64, end: Option<u64>) -> Stream {
        let workers = self.workers as u64;
        let channels = (0..workers).map(|worker| {
            let (sender, receiver) = sync_channel(WAITING);
            let source = Arc::clone(&self.source);
            thread::spawn(move || source.work(first + worker, workers, end, &sender));
            receiver
        });
        Stream {
            channels: channels.collect(),
            next: 0,
            max_corrupt: self.max_corrupt,
            corrupt: Arc::clone(&self.corrupt),
        }
    }
}

/// A sequence of batches. Dropping it ends its threads. It ends after an error.
#[derive(Debug)]
pub struct Stream {
    channels: Vec<Receiver<Result<Batch, DataError>>>,
    next: usize,
    max_corrupt: usize,
    corrupt: Arc<Mutex<HashSet<String>>>,
}

impl Iterator for Stream {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let channel = self.channels.get(self.next)?;
        self.next = (self.next + 1) % self.channels.len();
        // A worker ends after its last batch, and no other worker has a later one.
        let batch = channel.recv().ok().map(|batch| batch.and_then(|batch| self.count_corrupt(batch)));
        if !matches!(batch, Some(Ok(_))) {
            self.channels.clear();
        }
        batch
    }
}

impl Stream {
    /// Keeps only those skipped images that are new. The reader counts them, since the workers run ahead by a number of
    /// batches that depends on their speed.
    fn count_corrupt(&self, mut batch: Batch) -> Result<Batch, DataError> {
        let mut known = self.corrupt.lock().unwrap_or_else(PoisonError::into_inner);
        batch.skipped.retain(|image| known.insert(image.name.clone()));
        match batch.skipped.last() {
            Some(last) if known.len() > self.max_corrupt => {
                Err(DataError::TooManyCorrupt { limit: self.max_corrupt, last: last.clone() })
            }
            _ => Ok(batch),
        }
    }
}

impl Source {
    fn work(&self, first: u64, stride: u64, end: Option<u64>, sender: &SyncSender<Result<Batch, DataError>>) {
        let in_order: Option<Vec<u32>> = end.map(|_| self.images.clone());
        let mut shuffled: (Option<u64>, Vec<u32>) = (None, Vec::new());
        let mut number = first;
        while end.is_none_or(|end| number < end) {
            let batch = if let Some(images) = &in_order {
                let start = number as usize * self.batch_size;
                self.batch(0, &images[start..images.len().min(start + self.batch_size)])
            } else {
                let (epoch, step) = (number / self.batches_per_epoch as u64, number % self.batches_per_epoch as u64);
                if shuffled.0 != Some(epoch) {
                    let mut images = self.images.clone();
                    images.shuffle(&mut stream(self.seed, Purpose::Order, epoch, 0));
                    shuffled = (Some(epoch), images);
                }
                let start = step as usize * self.batch_size;
                self.batch(epoch, &shuffled.1[start..start + self.batch_size])
            };
            let failed = batch.is_err();
            // The reader drops its end when it has enough batches.
            if sender.send(batch).is_err() || failed {
                return;
            }
            number += stride;
        }
    }

    fn batch(&self, epoch: u64, indices: &[u32]) -> Result<Batch, DataError> {
        let mut images = Vec::with_capacity(indices.len() * self.size.elements());
        let (mut labels, mut skipped) = (Vec::with_capacity(indices.len()), Vec::new());
        for &index in indices {
            match self.image(epoch, index as usize) {
                Ok(values) => {
                    images.extend_from_slice(&values);
                    labels.push(i64::from(self.data.labels()[index as usize]));
                }
                Err(corrupt) => skipped.push(corrupt),
            }
        }
        match skipped.first() {
            Some(first) if labels.is_empty() => Err(DataError::EmptyBatch(first.clone())),
            _ => Ok(Batch { images, labels, size: self.size, skipped }),
        }
    }

    fn image(&self, epoch: u64, index: usize) -> Result<Vec<f32>, Corrupt> {
        let image = self.data.image(index)?.with_channels(self.size.channels);
        let mut rng = stream(self.seed, Purpose::Augment, epoch, index as u64);
        let fail = |problem| Corrupt { name: self.data.name(index), problem };
        let planes = self.transform.apply(&image, &mut rng).map_err(fail)?;
        if planes.size == self.size {
            return Ok(planes.values);
        }
        Err(fail(format!("becomes {}, not {}", planes.size, self.size)))
    }
}

/// Checks before the run whether the transform makes the wanted size. If the output size depends on that of image files, the
/// first readable image of `first` decides. `first` has one image more than the number of unreadable images that may be
/// skipped.
fn check_size(data: &DataSet, first: &[u32], transform: &Transform, wanted: Size) -> Result<(), DataError> {
    let channels = if data.channels() == 1 { wanted.channels } else { data.channels() };
    let stored = data.size().map(|size| (size.height, size.width));
    let mut about = String::new();
    let size = transform.output_size(channels, stored).or_else(|problem| {
        if stored.is_some() {
            return Err(problem);
        }
        let mut unreadable = problem;
        for &index in first {
            match data.image(index as usize) {
                Ok(image) => {
                    about = format!("{}: ", data.name(index as usize));
                    return transform.output_size(channels, Some((image.size.height, image.size.width)));
                }
                Err(corrupt) => unreadable = corrupt.to_string(),
            }
        }
        Err(unreadable)
    });
    let size = size.map_err(|problem| DataError::Transform(format!("{about}{problem}")))?;
    if size == wanted {
        return Ok(());
    }
    Err(DataError::Transform(format!("{about}images become {size}, but the network needs {wanted}")))
}
