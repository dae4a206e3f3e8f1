//! CIFAR-10 in its binary version: records of a label and 3x32x32 bytes.

use std::fs;
use std::path::Path;

use super::{DataError, DataSet, Size};

/// Default folder.
pub(super) const DEFAULT_FOLDER: &str = "data/cifar-10-batches-bin";

const HINT: &str = "download cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html, unpack it, and set \
    `data.path` to its folder cifar-10-batches-bin (default: data/cifar-10-batches-bin)";

const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const SIZE: Size = Size { channels: 3, height: 32, width: 32 };
const RECORDS: usize = 10_000;

/// Training and test images of a folder.
pub(super) fn open(folder: &Path) -> Result<(DataSet, DataSet), DataError> {
    let inner = folder.join("cifar-10-batches-bin");
    let folder = if inner.is_dir() { inner } else { folder.to_owned() };
    let train: Vec<String> = (1..=5).map(|i| format!("data_batch_{i}.bin")).collect();
    Ok((read(&folder, &train)?, read(&folder, &["test_batch.bin".to_owned()])?))
}

fn read(folder: &Path, names: &[String]) -> Result<DataSet, DataError> {
    let record = 1 + SIZE.elements();
    let (mut labels, mut pixels) = (Vec::new(), Vec::with_capacity(names.len() * RECORDS * SIZE.elements()));
    for name in names {
        let path = folder.join(name);
        let length = fs::metadata(&path).map_err(|e| DataError::io(&path, e, HINT))?.len();
        if length != (RECORDS * record) as u64 {
            let problem = format!("has {length} bytes, not the {} of 10,000 images", RECORDS * record);
            return Err(DataError::format(path, problem));
        }
        let bytes = fs::read(&path).map_err(|e| DataError::io(&path, e, HINT))?;
        for (i, image) in bytes.chunks_exact(record).enumerate() {
            if usize::from(image[0]) >= CLASSES.len() {
                let problem = format!("image {i} has label {}, but there are 10 classes", image[0]);
                return Err(DataError::format(path, problem));
            }
            labels.push(u32::from(image[0]));
            pixels.extend_from_slice(&image[1..]);
        }
    }
    DataSet::from_memory(CLASSES.map(str::to_owned).to_vec(), labels, SIZE, pixels)
}
