//! Data sets.

use std::cell::OnceCell;
use std::io::Write;
use std::path::Path;

use nasprof_search::config::{DataConfig, Experiment};
use nasprof_search::data::open;
use tempfile::TempDir;

/// What is set up once: a folder, and the data set in it.
struct Set {
    folder: TempDir,
    config: DataConfig,
}

/// A grey PNG of one pixel.
const PIXEL: [u8; 67] = [
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 0,
    0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0x68, 0, 0, 0, 0x82, 0,
    0x81, 0x77, 0xcd, 0x72, 0xb6, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];

fn set(kind: &str, keys: &str) -> Set {
    let folder = tempfile::tempdir().expect("a temporary folder is made");
    let path = folder.path().display();
    let text = format!(
        "format_version = 1\nspace = \"pnas-cifar10\"\n[data]\ndataset = \"{kind}\"\npath = \"{path}\"\n{}",
        keys.replace("FOLDER", &path.to_string())
    );
    let config = Experiment::parse(&text, &[]).expect("an experiment of ours is read").data.expect("it has data");
    Set { folder, config }
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::File::create(folder.join(name)).and_then(|mut file| file.write_all(bytes)).expect("a file is written");
}

fn idx_bytes(dimensions: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// The first byte chooses which of the files the rest is: images or labels, plain or compressed.
pub(super) fn idx(data: &[u8]) {
    thread_local! {
        static SET: OnceCell<Set> = const { OnceCell::new() };
    }
    const NAMES: [&str; 4] = [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ];
    let Some((&first, rest)) = data.split_first() else { return };
    SET.with(|set| {
        let set = set.get_or_init(|| {
            let set = self::set("fashion-mnist", "");
            good_idx().iter().for_each(|(name, bytes)| put(set.folder.path(), name, bytes));
            set
        });
        let folder = set.folder.path();
        let name = NAMES[usize::from(first) % NAMES.len()];
        let plain = name.trim_end_matches(".gz");
        put(folder, name, rest);
        if name != plain {
            let _ = std::fs::remove_file(folder.join(plain));
        }
        let opened = open(&set.config, 1, 0);
        // As it was: the other files stay good ones.
        if name != plain {
            let _ = std::fs::remove_file(folder.join(name));
        }
        for (good, bytes) in good_idx().iter().filter(|(good, _)| *good == plain) {
            put(folder, good, bytes);
        }
        if let Ok(opened) = opened {
            let size = opened.train.size().expect("images in memory have one size");
            let last = opened.train.image(opened.train.len() - 1).expect("it is in memory");
            assert_eq!(last.pixels.len(), size.elements());
        }
    });
}

fn good_idx() -> [(&'static str, Vec<u8>); 4] {
    [
        ("train-images-idx3-ubyte", idx_bytes(&[2, 2, 3], &[7; 12])),
        ("train-labels-idx1-ubyte", idx_bytes(&[2], &[3, 9])),
        ("t10k-images-idx3-ubyte", idx_bytes(&[1, 2, 3], &[1; 6])),
        ("t10k-labels-idx1-ubyte", idx_bytes(&[1], &[0])),
    ]
}

pub(super) fn idx_seeds() -> Vec<Vec<u8>> {
    let [images, labels, ..] = good_idx().map(|(_, bytes)| bytes);
    // A member of a gzip file that stores its data as it is.
    let stored = |data: &[u8]| {
        let length = data.len() as u16;
        let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
        bytes.extend(length.to_le_bytes());
        bytes.extend((!length).to_le_bytes());
        bytes.extend(data);
        bytes.extend(crate::slow::crc32(data).to_le_bytes());
        bytes.extend(u32::from(length).to_le_bytes());
        bytes
    };
    let with = |first: u8, bytes: Vec<u8>| [vec![first], bytes].concat();
    let test = idx_bytes(&[1, 2, 3], &[1; 6]);
    vec![with(0, images), with(1, labels), with(2, stored(&test)), with(3, stored(&idx_bytes(&[1], &[0])))]
}

/// The first byte chooses the ending; an image is decoded where the list is right.
pub(super) fn list(data: &[u8]) {
    thread_local! {
        static SETS: OnceCell<[Set; 2]> = const { OnceCell::new() };
    }
    let Some((&first, rest)) = data.split_first() else { return };
    SETS.with(|sets| {
        let sets = sets.get_or_init(|| {
            ["csv", "txt"].map(|ending| {
                let keys = format!(
                    "train_list = \"FOLDER/train.{ending}\"\ntest_list = \"FOLDER/test.txt\"\ntransform = \"cifar10\"\n"
                );
                let set = set("list", &keys);
                put(set.folder.path(), "a.png", &PIXEL);
                put(set.folder.path(), "test.txt", b"a.png 0\n");
                set
            })
        });
        let set = &sets[usize::from(first & 1)];
        put(set.folder.path(), if first & 1 == 0 { "train.csv" } else { "train.txt" }, rest);
        if let Ok(opened) = open(&set.config, 1, 0) {
            let _ = opened.train.image(0);
        }
    });
}

pub(super) fn list_seeds() -> Vec<Vec<u8>> {
    [&b"\0x:image,y:label\na.png,0\n\"a.png\",3\n"[..], b"\x01a.png 0\na.png 12\n\n"].map(<[u8]>::to_vec).to_vec()
}
