//! The loader: the same batches whatever the threads do, restarts anywhere, and what it does with unreadable images.
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use nasprof_search::data::{Batch, DataError, DataSet, Loader, LoaderOptions, Preset, Size, Step, Transform};

const SIZE: Size = Size { channels: 1, height: 6, width: 5 };

/// Each image has its own number as the value of its first pixel.
fn numbered(count: usize) -> Arc<DataSet> {
    let pixels = (0..count).flat_map(|i| (0..30).map(move |p| if p == 0 { i as u8 } else { 200 })).collect();
    let labels = (0..count).map(|i| (i % 3) as u32).collect();
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    Arc::new(DataSet::from_memory(classes, labels, SIZE, pixels).unwrap())
}

fn options(workers: usize) -> LoaderOptions {
    LoaderOptions { batch_size: 4, batches_per_epoch: 6, seed: 7, workers, max_corrupt: 2 }
}

fn loader(workers: usize, steps: Vec<Step>) -> Loader {
    let transform = Transform::new(steps).unwrap();
    Loader::new(numbered(25), (0..25).collect(), transform, SIZE, options(workers)).unwrap()
}

fn random_steps() -> Vec<Step> {
    let mirror = Step::HorizontalFlip { probability: 0.5 };
    vec![Step::Cutout { length: 2, probability: 0.5 }, Step::RandomCrop { pad: 2, size: [6, 5] }, mirror]
}

fn batches(stream: nasprof_search::data::Stream, count: usize) -> Vec<Batch> {
    stream.take(count).map(Result::unwrap).collect()
}

#[test]
fn neither_the_number_of_threads_nor_their_timing_changes_a_batch() {
    let expected = batches(loader(1, random_steps()).shuffled(0), 20);
    for workers in [2, 3, 7] {
        let mut stream = loader(workers, random_steps()).shuffled(0);
        for (i, batch) in expected.iter().enumerate() {
            if i % 5 == 0 {
                std::thread::yield_now();
            }
            assert_eq!(*batch, stream.next().unwrap().unwrap(), "batch {i} with {workers} workers");
        }
    }
    let mut other = options(1);
    other.seed = 8;
    let transform = Transform::new(random_steps()).unwrap();
    let other = Loader::new(numbered(25), (0..25).collect(), transform, SIZE, other).unwrap();
    assert_ne!(batches(other.shuffled(0), 1)[0], expected[0]);
}

#[test]
fn a_stream_restarts_at_any_batch() {
    let expected = batches(loader(2, random_steps()).shuffled(0), 20);
    for first in 0..20 {
        assert_eq!(batches(loader(3, random_steps()).shuffled(first as u64), 20 - first), expected[first..]);
    }
}

#[test]
fn an_epoch_has_every_image_at_most_once_and_another_order() {
    let all = batches(loader(2, Vec::new()).shuffled(0), 12);
    let numbers =
        |epoch: &[Batch]| epoch.iter().flat_map(|b| b.images.iter().step_by(30)).copied().collect::<Vec<f32>>();
    let (first, second) = (numbers(&all[..6]), numbers(&all[6..]));
    assert_ne!(first, second);
    for epoch in [first, second] {
        let mut sorted = epoch.clone();
        sorted.sort_by(f32::total_cmp);
        sorted.dedup();
        assert_eq!(sorted.len(), 24);
        assert_ne!(sorted, epoch, "the order is the stored one");
    }
    let batch = &all[0];
    let label = |image: &f32| *image as i64 % 3;
    assert_eq!(batch.labels, batch.images.iter().step_by(30).map(label).collect::<Vec<_>>());
}

#[test]
fn in_order_every_image_comes_once() {
    let batches: Vec<Batch> = loader(3, Vec::new()).in_order().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|b| b.labels.len()).collect::<Vec<_>>(), [4, 4, 4, 4, 4, 4, 1]);
    let numbers: Vec<f32> = batches.iter().flat_map(|b| b.images.iter().step_by(30)).copied().collect();
    assert_eq!(numbers, (0..25).map(|i| i as f32).collect::<Vec<_>>());
}

/// A slow reader must stop the workers: else an epoch of ImageNet would be decoded into memory.
#[test]
fn workers_wait_for_the_reader() {
    let (folder, data) = files(&[]);
    let options = LoaderOptions { batch_size: 1, batches_per_epoch: 12, seed: 0, workers: 1, max_corrupt: 0 };
    let size = Size::new(3, 6, 5);
    let loader = Loader::new(data, (0..12).collect(), Transform::default(), size, options).unwrap();
    let mut stream = loader.in_order();
    stream.next().unwrap().unwrap();
    // Time enough for a worker that does not wait to read all files.
    std::thread::sleep(std::time::Duration::from_millis(50));
    nasprof_testkit::data_sets::write_png(&folder.path().join("11.png"), [6, 5], [99, 0, 0]);
    let last = stream.last().unwrap().unwrap();
    assert_eq!(last.images[0], 99.0);
}

#[test]
fn dropping_a_stream_ends_its_threads() {
    let data = numbered(25);
    let loader = Loader::new(Arc::clone(&data), (0..25).collect(), Transform::default(), SIZE, options(3)).unwrap();
    let mut stream = loader.shuffled(0);
    stream.next().unwrap().unwrap();
    drop((stream, loader));
    for _ in 0..1000 {
        if Arc::strong_count(&data) == 1 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("the workers of a dropped stream are still there");
}

#[test]
fn a_size_that_is_not_the_networks_is_refused_before_anything_runs() {
    let build =
        |size, steps| Loader::new(numbered(25), (0..25).collect(), Transform::new(steps).unwrap(), size, options(1));
    let message = build(Size::new(1, 6, 6), Vec::new()).unwrap_err().to_string();
    assert_eq!(message, "images become 1x6x5, but the network needs 1x6x6");
    assert!(build(Size::new(1, 6, 6), vec![Step::RandomCrop { pad: 1, size: [6, 6] }]).is_ok());
    let message = build(SIZE, vec![Step::CenterCrop { size: [7, 5] }]).unwrap_err().to_string();
    assert!(message.contains("step 0") && message.contains("7x5"), "{message}");
    let preset = build(Size::new(1, 6, 5), Preset::Cifar10.test()).unwrap_err().to_string();
    assert!(preset.contains("`mean` has 3 numbers, but the images have 1 channels"), "{preset}");
    // Grey images become colour images where the network takes those.
    let batch = build(Size::new(3, 6, 5), Vec::new()).unwrap().shuffled(0).next().unwrap().unwrap();
    assert_eq!(batch.images[..30], batch.images[30..60]);
    let mut many = options(1);
    many.batches_per_epoch = 7;
    let error = Loader::new(numbered(25), (0..25).collect(), Transform::default(), SIZE, many).unwrap_err();
    assert!(error.to_string().contains("need 28 images, but there are 25"), "{error}");
}

/// Twelve files, of which the given ones are damaged.
fn files(damaged: &[usize]) -> (tempfile::TempDir, Arc<DataSet>) {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..12).map(|i| folder.path().join(format!("{i}.png"))).collect();
    for (i, path) in paths.iter().enumerate() {
        nasprof_testkit::data_sets::write_png(path, [6, 5], [i as u8, 0, 0]);
        if damaged.contains(&i) {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    let labels = vec![0; 12];
    let data = DataSet::from_files(vec!["only".to_owned()], labels, 3, paths).unwrap();
    (folder, Arc::new(data))
}

fn of_files(data: Arc<DataSet>, max_corrupt: usize) -> Loader {
    let options = LoaderOptions { batch_size: 4, batches_per_epoch: 3, seed: 0, workers: 2, max_corrupt };
    Loader::new(data, (0..12).collect(), Transform::default(), Size::new(3, 6, 5), options).unwrap()
}

#[test]
fn unreadable_images_are_named_and_left_out_up_to_a_limit() {
    let (_folder, data) = files(&[2, 9]);
    let loader = of_files(Arc::clone(&data), 2);
    let batches: Vec<Batch> = loader.in_order().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|b| b.labels.len()).collect::<Vec<_>>(), [3, 4, 3]);
    let names: Vec<&str> = batches.iter().flat_map(|b| &b.skipped).map(|s| s.name.as_str()).collect();
    assert!(names[0].ends_with("2.png") && names[1].ends_with("9.png") && names.len() == 2, "{names:?}");
    // The same images in later epochs are no new ones.
    let again: Vec<Batch> = loader.shuffled(0).take(30).map(Result::unwrap).collect();
    assert!(again.iter().all(|b| b.skipped.is_empty()));
    assert_eq!(again[..3].iter().map(|b| b.labels.len()).sum::<usize>(), 10);

    let mut stream = of_files(data, 1).in_order();
    let error = stream.by_ref().find_map(Result::err).unwrap();
    assert!(matches!(&error, DataError::TooManyCorrupt { limit: 1, last } if last.name.ends_with("9.png")), "{error}");
    assert!(stream.next().is_none());
}

/// The size of the images is that of the first one that can be read, among as many as may be left out.
#[test]
fn an_unreadable_first_image_is_left_out_as_any_other() {
    let (_folder, data) = files(&[0, 1]);
    let batch = of_files(Arc::clone(&data), 2).in_order().next().unwrap().unwrap();
    assert_eq!((batch.labels.len(), batch.skipped.len()), (2, 2));
    let options = LoaderOptions { batch_size: 4, batches_per_epoch: 3, seed: 0, workers: 1, max_corrupt: 1 };
    let build = |size, options| Loader::new(Arc::clone(&data), (0..12).collect(), Transform::default(), size, options);
    let error = build(Size::new(3, 6, 5), options).unwrap_err().to_string();
    assert!(error.contains("1.png"), "{error}");
    let error = build(Size::new(3, 6, 6), LoaderOptions { max_corrupt: 2, ..options }).unwrap_err().to_string();
    assert!(error.contains("2.png: images become 3x6x5"), "{error}");
}

#[test]
fn a_batch_without_images_is_an_error() {
    let (_folder, data) = files(&[4, 5, 6, 7]);
    let error = of_files(data, 100).in_order().find_map(Result::err).unwrap();
    assert!(matches!(&error, DataError::EmptyBatch(first) if first.name.ends_with("4.png")), "{error}");
}

#[test]
fn an_image_of_another_size_counts_as_unreadable() {
    let (folder, data) = files(&[]);
    nasprof_testkit::data_sets::write_png(&folder.path().join("3.png"), [6, 4], [0; 3]);
    let batch = of_files(data, 1).in_order().next().unwrap().unwrap();
    assert_eq!((batch.labels.len(), batch.skipped[0].problem.as_str()), (3, "becomes 3x6x4, not 3x6x5"));
}
