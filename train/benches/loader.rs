//! Images per second of the loader with two workers: decoding, transforming, batching.
//!
//! A training step has to be slower than that; otherwise the device waits for images.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nasprof_search::data::{DataSet, Loader, LoaderOptions, Preset, Size, Transform};

const BATCH: usize = 64;

fn memory(size: Size, images: usize) -> DataSet {
    let pixels = (0..images * size.elements()).map(|i| (i * 37 % 251) as u8).collect();
    DataSet::from_memory(vec!["one".to_owned()], vec![0; images], size, pixels).unwrap()
}

/// JPEG files of a photograph's size, with some structure to decode.
fn files(folder: &tempfile::TempDir, images: usize, [height, width]: [u32; 2]) -> DataSet {
    let paths: Vec<PathBuf> = (0..images).map(|i| folder.path().join(format!("{i}.jpg"))).collect();
    for (i, path) in paths.iter().enumerate() {
        let wave = |x: u32, y: u32, f: f64| ((f64::from(x * 3 + y * 2) * f).sin() * 60.0 + 128.0) as u8;
        let image = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([wave(x, y, 0.05), wave(x, y, 0.11 + i as f64 / 100.0), wave(y, x, 0.31)])
        });
        image.save(path).unwrap();
    }
    DataSet::from_files(vec!["one".to_owned()], vec![0; images], 3, paths).unwrap()
}

fn loader(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let mut group = c.benchmark_group("images of a batch of 64, two workers");
    group.throughput(Throughput::Elements(BATCH as u64)).measurement_time(Duration::from_secs(4)).sample_size(20);
    for (name, data, preset, size) in [
        ("fashion-mnist", memory(Size::new(1, 28, 28), 10_000), Preset::FashionMnist, Size::new(1, 28, 28)),
        ("cifar10", memory(Size::new(3, 32, 32), 10_000), Preset::Cifar10, Size::new(3, 32, 32)),
        ("500x375 JPEG to 224x224", files(&folder, 64, [375, 500]), Preset::ImagenetCrop, Size::new(3, 224, 224)),
    ] {
        let images: Vec<u32> = (0..data.len() as u32).collect();
        let batches_per_epoch = images.len() / BATCH;
        let options = LoaderOptions { batch_size: BATCH, batches_per_epoch, seed: 0, workers: 2, max_corrupt: 0 };
        let transform = Transform::new(preset.train()).unwrap();
        let loader = Loader::new(Arc::new(data), images, transform, size, options).unwrap();
        let mut stream = loader.shuffled(0);
        group.bench_function(name, |b| b.iter(|| stream.next().unwrap().unwrap()));
    }
    group.finish();
}

criterion_group!(benches, loader);
criterion_main!(benches);
