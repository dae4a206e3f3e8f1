//! Sets of labelled images.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{Corrupt, DataError, Image, Size};

/// A set of labelled images: all labels are in memory, and images are decoded on request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSet {
    classes: Vec<String>,
    labels: Vec<u32>,
    images: Images,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Images {
    /// Consecutive images, all of the same size.
    Memory { size: Size, pixels: Vec<u8> },
    /// One file for each image, of any size.
    Files { channels: usize, paths: Vec<PathBuf> },
}

impl DataSet {
    /// A data set from images in memory.
    ///
    /// # Errors
    /// If labels, pixels and classes do not match.
    pub fn from_memory(classes: Vec<String>, labels: Vec<u32>, size: Size, pixels: Vec<u8>) -> Result<Self, DataError> {
        let fits = labels.len().checked_mul(size.elements()) == Some(pixels.len());
        if size.elements() == 0 || !fits {
            let problem = format!("{} labels and {} bytes of images of {size}", labels.len(), pixels.len());
            return Err(DataError::TooFew(problem));
        }
        Self { classes, labels, images: Images::Memory { size, pixels } }.checked()
    }

    /// A data set from image files, decoded to 1 or 3 channels.
    ///
    /// # Errors
    /// If labels, files and classes do not match.
    pub fn from_files(
        classes: Vec<String>,
        labels: Vec<u32>,
        channels: usize,
        paths: Vec<PathBuf>,
    ) -> Result<Self, DataError> {
        if labels.len() != paths.len() || !matches!(channels, 1 | 3) {
            let problem = format!("{} labels and {} files of {channels} channels", labels.len(), paths.len());
            return Err(DataError::TooFew(problem));
        }
        Self { classes, labels, images: Images::Files { channels, paths } }.checked()
    }

    fn checked(self) -> Result<Self, DataError> {
        if self.labels.is_empty() {
            return Err(DataError::TooFew("the data set has no images".to_owned()));
        }
        match self.labels.iter().position(|&label| label as usize >= self.classes.len()) {
            Some(i) => {
                let (label, classes) = (self.labels[i], self.classes.len());
                let problem = format!("image {i} has label {label}, but there are {classes} classes");
                Err(DataError::TooFew(problem))
            }
            None => Ok(self),
        }
    }

    /// Number of images.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a data set is never empty")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Names of the classes; a label is an index into them.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The label of every image.
    #[must_use]
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The size of all images, if it is known without decoding them.
    #[must_use]
    pub fn size(&self) -> Option<Size> {
        match &self.images {
            Images::Memory { size, .. } => Some(*size),
            Images::Files { .. } => None,
        }
    }

    /// Channels of the images.
    #[must_use]
    pub fn channels(&self) -> usize {
        match &self.images {
            Images::Memory { size, .. } => size.channels,
            Images::Files { channels, .. } => *channels,
        }
    }

    /// Decodes an image.
    ///
    /// # Errors
    /// If its file cannot be decoded.
    pub fn image(&self, index: usize) -> Result<Image, Corrupt> {
        match &self.images {
            Images::Memory { size, pixels } => {
                let length = size.elements();
                Ok(Image { size: *size, pixels: pixels[index * length..(index + 1) * length].to_vec() })
            }
            Images::Files { channels, paths } => Image::read(&paths[index], *channels)
                .map_err(|problem| Corrupt { name: paths[index].display().to_string(), problem }),
        }
    }

    /// Adds classes, labels and pixels to a digest. For images in files it adds names and sizes instead of pixels, since
    /// reading all files would take hours.
    pub(crate) fn digest(&self, hasher: &mut Sha256) {
        for class in &self.classes {
            hasher.update((class.len() as u64).to_le_bytes());
            hasher.update(class);
        }
        hasher.update((self.labels.len() as u64).to_le_bytes());
        self.labels.iter().for_each(|label| hasher.update(label.to_le_bytes()));
        match &self.images {
            Images::Memory { pixels, .. } => hasher.update(pixels),
            Images::Files { paths, .. } => {
                for path in paths {
                    // A missing file counts as unreadable later, when it is read.
                    let bytes = fs::metadata(path).map_or(u64::MAX, |facts| facts.len());
                    hasher.update(bytes.to_le_bytes());
                    hasher.update(path.as_os_str().as_encoded_bytes());
                    hasher.update([0]);
                }
            }
        }
    }

    /// The name of an image in messages.
    #[must_use]
    pub fn name(&self, index: usize) -> String {
        match &self.images {
            Images::Memory { .. } => format!("image {index}"),
            Images::Files { paths, .. } => paths[index].display().to_string(),
        }
    }
}
