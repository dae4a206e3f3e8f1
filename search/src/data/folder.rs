//! Folders of images, one for each class, like an unpacked ImageNet.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::{DataError, DataSet};

/// Default folder.
pub(super) const DEFAULT_FOLDER: &str = "data/images";

const HINT: &str = "`data.path` must be a folder with `train/<class>/` and `val/<class>/` (or `valid`, `test`) in it, each \
    with JPEG or PNG files; for ImageNet, download it from https://image-net.org and sort the validation images into \
    folders by class";

/// Possible names of the folder with test images; the first existing one is used.
const TEST_FOLDERS: [&str; 3] = ["val", "valid", "test"];

/// Training and test images of a folder; the classes are the folders in `train`, in the order of their names.
pub(super) fn open(folder: &Path, channels: usize) -> Result<(DataSet, DataSet), DataError> {
    let train = folder.join("train");
    let test = TEST_FOLDERS.map(|name| folder.join(name)).into_iter().find(|path| path.is_dir());
    let test = test.ok_or_else(|| DataError::Missing { path: folder.join("val"), hint: HINT.to_owned() })?;
    let classes = subfolders(&train)?;
    let names: Vec<String> = classes.keys().map(|name| name.to_string_lossy().into_owned()).collect();
    let in_test = subfolders(&test)?;
    if let Some((name, path)) = in_test.iter().find(|(name, _)| !classes.contains_key(*name)) {
        let problem = format!("{} has no class `{}`", train.display(), name.to_string_lossy());
        return Err(DataError::format(path, problem));
    }
    let tested: BTreeMap<&OsString, PathBuf> = classes.keys().map(|name| (name, test.join(name))).collect();
    Ok((read(&names, channels, classes.values())?, read(&names, channels, tested.values())?))
}

fn subfolders(folder: &Path) -> Result<BTreeMap<OsString, PathBuf>, DataError> {
    let entries = list(folder)?.into_iter().filter(|path| path.is_dir());
    let named = entries.filter_map(|path| Some((path.file_name()?.to_owned(), path)));
    let found: BTreeMap<OsString, PathBuf> = named.collect();
    if found.is_empty() {
        return Err(DataError::Missing { path: folder.join("<class>"), hint: HINT.to_owned() });
    }
    Ok(found)
}

fn read<'a>(
    names: &[String],
    channels: usize,
    folders: impl Iterator<Item = &'a PathBuf>,
) -> Result<DataSet, DataError> {
    let (mut labels, mut paths) = (Vec::new(), Vec::new());
    for (label, folder) in folders.enumerate() {
        let mut images: Vec<PathBuf> = list(folder)?.into_iter().filter(|path| is_image(path)).collect();
        if images.is_empty() {
            return Err(DataError::format(folder, "has no JPEG or PNG files"));
        }
        // The order of directory entries differs between machines.
        images.sort();
        labels.resize(labels.len() + images.len(), label as u32);
        paths.append(&mut images);
    }
    DataSet::from_files(names.to_vec(), labels, channels, paths)
}

/// The entries of a folder, without hidden ones.
fn list(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let fail = |e| DataError::io(folder, e, HINT);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    matches!(ending.as_str(), "jpg" | "jpeg" | "png")
}
