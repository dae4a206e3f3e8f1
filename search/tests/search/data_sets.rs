//! Reading data sets from disk, and what is said when they are missing or damaged.
use std::fs;
use std::path::Path;

use nasprof_search::config::{DataConfig, DataSetKind, Experiment};
use nasprof_search::data::{DataError, Opened, Size, open};

fn config(dataset: &str, path: &Path) -> DataConfig {
    let text = format!(
        "format_version = 1\nspace = \"darts-cifar10\"\n[data]\ndataset = \"{dataset}\"\npath = {:?}\n",
        path.display().to_string()
    );
    Experiment::parse(&text, &[]).unwrap().data.unwrap()
}

fn fails(config: &DataConfig, naming: &str) -> DataError {
    let error = open(config, 3, 0).unwrap_err();
    assert!(error.to_string().contains(naming), "no `{naming}` in: {error}");
    error
}

#[test]
fn fashion_mnist_plain_and_compressed() {
    let folder = nasprof_testkit::data_sets::fashion(40, 20);
    let plain = open(&config("fashion-mnist", folder.path()), 1, 0).unwrap();
    assert_eq!((plain.train.len(), plain.test.len(), plain.train.classes().len()), (40, 20, 10));
    assert_eq!(plain.train.size(), Some(Size::new(1, 28, 28)));
    assert_eq!(plain.train.labels()[13], 3);
    assert_eq!(plain.train.image(1).unwrap().pixels[..3], [31, 38, 45]);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &fs::read(&path).unwrap()).unwrap();
        fs::write(format!("{}.gz", path.display()), encoder.finish().unwrap()).unwrap();
        fs::remove_file(path).unwrap();
    }
    assert_eq!(open(&config("fashion-mnist", folder.path()), 1, 0).unwrap(), plain);
}

#[test]
fn fashion_mnist_of_debian() {
    if !Path::new("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz").exists() {
        nasprof_testkit::skip::skip("the Debian package dataset-fashion-mnist is not installed");
        return;
    }
    let mut config = config("fashion-mnist", Path::new(""));
    config.path = None;
    config.max_train_images = Some(1000);
    let Opened { train, train_images, test, .. } = open(&config, 1, 0).unwrap();
    assert_eq!((train.len(), test.len(), train_images.len()), (60_000, 10_000, 1000));
    for class in 0..10 {
        assert_eq!(train_images.iter().filter(|&&i| train.labels()[i as usize] == class).count(), 100);
    }
}

#[test]
fn missing_data_says_what_to_install_and_where_to_put_it() {
    let empty = tempfile::tempdir().unwrap();
    for (dataset, hints) in [
        ("fashion-mnist", ["dataset-fashion-mnist", "data.path"]),
        ("cifar10", ["cifar-10-binary.tar.gz", "data.path"]),
        ("image-folder", ["train/<class>/", "data.path"]),
    ] {
        let error = open(&config(dataset, empty.path()), 3, 0).unwrap_err();
        assert!(matches!(error, DataError::Missing { .. }), "{dataset}: {error}");
        let hint = error.hint().unwrap();
        assert!(hints.iter().all(|h| hint.contains(h)), "{dataset}: {hint}");
    }
}

#[test]
fn damaged_idx_files_are_named() {
    let folder = nasprof_testkit::data_sets::fashion(40, 20);
    let config = config("fashion-mnist", folder.path());
    let labels = folder.path().join("train-labels-idx1-ubyte");
    nasprof_testkit::data_sets::write_idx(&labels, &[39], &[0; 39]);
    fails(&config, "39 labels for the 40 images");
    nasprof_testkit::data_sets::write_idx(&labels, &[40], &[10; 40]);
    fails(&config, "label 0 is 10");
    let images = folder.path().join("train-images-idx3-ubyte");
    let bytes = fs::read(&images).unwrap();
    fs::write(&images, &bytes[..bytes.len() - 1]).unwrap();
    fails(&config, "train-images-idx3-ubyte: has less data");
    fs::write(format!("{}.gz", images.display()), &bytes).unwrap();
    fails(&config, "train-images-idx3-ubyte.gz: cannot be read");
}

#[test]
fn cifar_in_its_binary_version() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("cifar-10-batches-bin");
    fs::create_dir(&inner).unwrap();
    let mut bytes = vec![0; 10_000 * 3073];
    bytes[3073] = 7;
    bytes[3073 + 1 + 1024] = 200;
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        fs::write(inner.join(format!("{name}.bin")), &bytes).unwrap();
    }
    let config = config("cifar10", folder.path());
    let opened = open(&config, 3, 0).unwrap();
    assert_eq!((opened.train.len(), opened.test.len(), opened.train.classes()[7].as_str()), (50_000, 10_000, "horse"));
    assert_eq!(opened.train.labels()[10_001], 7);
    let image = opened.train.image(10_001).unwrap();
    assert_eq!((image.size, image.pixels[1024]), (Size::new(3, 32, 32), 200));
    bytes[0] = 10;
    fs::write(inner.join("test_batch.bin"), &bytes).unwrap();
    fails(&config, "image 0 has label 10");
    bytes.truncate(3073 * 9_999);
    fs::write(inner.join("test_batch.bin"), &bytes).unwrap();
    fails(&config, "test_batch.bin: has 30726927 bytes");
}

#[test]
fn folders_of_images() {
    let folder = tempfile::tempdir().unwrap();
    for (part, class, name, red) in [
        ("train", "cat", "b.png", 1),
        ("train", "cat", "a.PNG", 2),
        ("train", "ape", "x.png", 3),
        ("val", "ape", "y.png", 4),
        ("val", "cat", "z.png", 5),
    ] {
        nasprof_testkit::data_sets::write_png(
            &folder.path().join(part).join(class).join("tmp.png"),
            [4, 3],
            [red, 0, 9],
        );
        fs::rename(
            folder.path().join(part).join(class).join("tmp.png"),
            folder.path().join(part).join(class).join(name),
        )
        .unwrap();
    }
    fs::write(folder.path().join("train/cat/notes.txt"), "no image").unwrap();
    fs::write(folder.path().join("train/cat/.hidden.png"), "no image").unwrap();
    let config = config("image-folder", folder.path());
    let opened = open(&config, 3, 0).unwrap();
    assert_eq!(opened.train.classes(), ["ape", "cat"]);
    assert_eq!((opened.train.labels(), opened.test.labels()), (&[0, 1, 1][..], &[0, 1][..]));
    let reds: Vec<u8> = (0..3).map(|i| opened.train.image(i).unwrap().pixels[0]).collect();
    assert_eq!(reds, [3, 2, 1]);
    let image = opened.train.image(0).unwrap();
    assert_eq!((image.size, image.pixels[24]), (Size::new(3, 4, 3), 9));
    let grey = open(&config, 1, 0).unwrap().train.image(0).unwrap();
    assert_eq!(grey.size, Size::new(1, 4, 3));

    fs::create_dir(folder.path().join("val/dog")).unwrap();
    fails(&config, "has no class `dog`");
    fs::remove_dir(folder.path().join("val/dog")).unwrap();
    fs::create_dir(folder.path().join("train/dog")).unwrap();
    fails(&config, "dog: has no JPEG or PNG files");
}

#[test]
fn lists_of_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["a.png", "b c.png", "d.png"] {
        nasprof_testkit::data_sets::write_png(&path(name), [2, 2], [1; 3]);
    }
    fs::write(path("train.csv"), "x:image,y:label\na.png,1\nb c.png,0\n").unwrap();
    fs::write(path("test.txt"), "d.png 2\n").unwrap();
    let mut config = config("list", Path::new(""));
    config.path = None;
    config.train_list = Some(path("train.csv"));
    config.test_list = Some(path("test.txt"));
    let opened = open(&config, 3, 0).unwrap();
    assert_eq!((opened.train.labels(), opened.test.labels()), (&[1, 0][..], &[2][..]));
    assert_eq!(opened.train.classes().len(), 3);
    assert!(opened.train.image(1).is_ok());

    for (text, naming) in [
        ("x,y\ne.png,0\n", "line 2: "),
        ("x,y\na.png,-1\n", "the label `-1`"),
        ("x,y\na.png,4294967295\n", "the label `4294967295`"),
        ("x,y\na.png\n", "train.csv: "),
        ("x,y\n", "contains no images"),
        ("x,label\na.png,1\n", "no column `y`"),
        ("", "no column `x`"),
    ] {
        fs::write(path("train.csv"), text).unwrap();
        fails(&config, naming);
    }
    fs::write(path("train.csv"), [0xff, 0xfe, 0x00]).unwrap();
    fails(&config, "not UTF-8 text");
    config.train_list = Some(path("none.csv"));
    assert!(matches!(open(&config, 3, 0).unwrap_err(), DataError::Missing { .. }));
    assert_eq!(config.dataset, DataSetKind::List);
}

/// Whatever stands in an image's place, it is an error with a message and not a crash or an image.
#[test]
fn hostile_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    nasprof_testkit::data_sets::write_png(&path, [4, 3], [1, 2, 3]);
    let good = fs::read(&path).unwrap();
    let mut huge = good.clone();
    huge[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        nasprof_search::data::Image::read(&path, 3)
    };
    assert!(read(&good).is_ok());
    for bytes in [&huge[..], b"", b"GIF89a", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"] {
        assert!(read(bytes).is_err());
    }
    for cut in 0..good.len() - 12 {
        assert!(read(&good[..cut]).is_err(), "cut at {cut}");
    }
    for flipped in 0..good.len() {
        let mut bytes = good.clone();
        bytes[flipped] ^= 0x55;
        if let Ok(image) = read(&bytes) {
            assert_eq!(image.pixels.len(), image.size.elements());
        }
    }
}
