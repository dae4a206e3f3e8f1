//! Small data sets in temporary folders.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// A folder in the form of Fashion-MNIST with `train` and `test` images of 28x28; pixel values encode image and
/// position.
pub fn fashion(train: usize, test: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("train", train), ("t10k", test)] {
        let pixels = (0..count).flat_map(|i| (0..784).map(move |p| (i * 31 + p * 7) as u8)).collect::<Vec<u8>>();
        write_idx(&folder.path().join(format!("{name}-images-idx3-ubyte")), &[count, 28, 28], &pixels);
        let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
        write_idx(&folder.path().join(format!("{name}-labels-idx1-ubyte")), &[count], &labels);
    }
    folder
}

/// Writes an IDX file of bytes.
pub fn write_idx(path: &Path, dimensions: &[usize], data: &[u8]) {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|&d| (d as u32).to_be_bytes()));
    bytes.extend(data);
    fs::write(path, bytes).unwrap();
}

/// Writes a PNG of one colour.
pub fn write_png(path: &Path, [height, width]: [u32; 2], rgb: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::from_pixel(width, height, image::Rgb(rgb)).save(path).unwrap();
}

/// A DARTS experiment whose architecture optimizer subtracts the plain gradient, so that a step shows the gradient.
pub fn bare_darts(space: &str, data: &Path, learning_rate: f64) -> String {
    format!(
        r#"
format_version = 1
space = {space:?}
[data]
dataset = "fashion-mnist"
path = {data:?}
[training]
epochs = 1
batch_size = 16
compute = "cpu"
[optimizers.weights]
kind = "sgd"
learning_rate = {learning_rate}
[optimizers.architecture]
kind = "sgd"
learning_rate = 1.0
[searcher]
kind = "darts"
"#
    )
}
