//! Fashion-MNIST and other data sets in the same four IDX files, plain or compressed with gzip.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::{DataError, DataSet, Size};

/// The folder of Debian's package `dataset-fashion-mnist`.
pub(super) const DEBIAN_FOLDER: &str = "/usr/share/datasets/fashion-mnist";

const HINT: &str = "install the Debian package `dataset-fashion-mnist`, or set `data.path` to a folder with \
    train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz \
    (from https://github.com/zalandoresearch/fashion-mnist)";

const CLASSES: [&str; 10] =
    ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// Limit on the memory that a damaged or hostile file can take; no data set of this format is larger.
const MAX_BYTES: u64 = 1 << 31;

/// Training and test images of a folder.
pub(super) fn open(folder: &Path) -> Result<(DataSet, DataSet), DataError> {
    Ok((part(folder, "train")?, part(folder, "t10k")?))
}

fn part(folder: &Path, name: &str) -> Result<DataSet, DataError> {
    let images = find(folder, &format!("{name}-images-idx3-ubyte"))?;
    let (shape, pixels) = read(&images, 3)?;
    let file = find(folder, &format!("{name}-labels-idx1-ubyte"))?;
    let (labels_shape, labels) = read(&file, 1)?;
    if shape[0] != labels_shape[0] {
        let problem = format!("{} labels for the {} images of {}", labels_shape[0], shape[0], images.display());
        return Err(DataError::format(file, problem));
    }
    if let Some(bad) = labels.iter().position(|&label| usize::from(label) >= CLASSES.len()) {
        return Err(DataError::format(file, format!("label {bad} is {}, but there are 10 classes", labels[bad])));
    }
    let classes = CLASSES.map(str::to_owned).to_vec();
    let labels = labels.into_iter().map(u32::from).collect();
    DataSet::from_memory(classes, labels, Size::new(1, shape[1], shape[2]), pixels)
}

/// Finds the plain or the compressed file.
fn find(folder: &Path, name: &str) -> Result<PathBuf, DataError> {
    let compressed = folder.join(format!("{name}.gz"));
    let found = [compressed.clone(), folder.join(name)].into_iter().find(|path| path.is_file());
    found.ok_or_else(|| DataError::Missing { path: compressed, hint: HINT.to_owned() })
}

/// The dimensions and bytes of an IDX file of unsigned bytes.
fn read(path: &Path, dimensions: usize) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    let file = File::open(path).map_err(|e| DataError::io(path, e, HINT))?;
    let mut reader: Box<dyn Read> = if path.extension().is_some_and(|e| e == "gz") {
        Box::new(GzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(BufReader::new(file))
    };
    parse(&mut reader, dimensions).map_err(|problem| DataError::format(path, problem))
}

fn parse(reader: &mut impl Read, dimensions: usize) -> Result<(Vec<usize>, Vec<u8>), String> {
    let mut word = || -> Result<[u8; 4], String> {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
        Ok(bytes)
    };
    let magic = word()?;
    if magic != [0, 0, 8, dimensions as u8] {
        return Err(format!("begins with {magic:?}, not with the [0, 0, 8, {dimensions}] of an IDX file of bytes"));
    }
    let shape =
        (0..dimensions).map(|_| Ok(u32::from_be_bytes(word()?) as usize)).collect::<Result<Vec<_>, String>>()?;
    let length = shape.iter().try_fold(1_u64, |product, &d| product.checked_mul(d as u64));
    let length =
        length.filter(|&n| n > 0 && n <= MAX_BYTES).ok_or_else(|| format!("has invalid dimensions {shape:?}"))?;
    let mut bytes = Vec::new();
    // One extra byte detects files that are too long.
    reader.take(length + 1).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
    if bytes.len() as u64 == length {
        return Ok((shape, bytes));
    }
    let than = if (bytes.len() as u64) < length { "less" } else { "more" };
    Err(format!("has {than} data than its dimensions {shape:?} say"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, dims.len() as u8];
        bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    #[test]
    fn dimensions_must_fit_the_data() {
        let read = |bytes: &[u8]| parse(&mut &bytes[..], 3);
        let good = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        assert_eq!(read(&good), Ok((vec![2, 1, 3], vec![1, 2, 3, 4, 5, 6])));
        for cut in 0..good.len() {
            assert!(read(&good[..cut]).is_err(), "cut at {cut}");
        }
        for bad in [
            idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6, 7]),
            idx(&[2, 1, 0], &[]),
            idx(&[u32::MAX, u32::MAX, u32::MAX], &[1]),
            idx(&[60_000, 1 << 15, 1 << 15], &[1]),
            idx(&[6], &[1, 2, 3, 4, 5, 6]),
            [vec![0, 0, 13, 3], good[4..].to_vec()].concat(),
        ] {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
    }
}
