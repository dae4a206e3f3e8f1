//! Finds libraries that programs load on demand: in folders, and in the cache of the install scripts.

use std::path::{Path, PathBuf};

use crate::env_path::cache_home;

/// The entries of a folder whose names begin with `prefix`, sorted.
#[must_use]
pub fn beginning(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix))).collect();
    found.sort();
    found
}

/// The library `file` in a folder; its name may end in a version, and of several versions the last is taken.
#[must_use]
pub fn in_folder(folder: &Path, file: &str) -> Option<PathBuf> {
    beginning(folder, file).into_iter().rfind(|path| path.is_file())
}

/// Folders of a library that the install scripts installed completely in the user's cache, the newest version first. A
/// board's `architecture` has its own folders.
#[must_use]
pub fn cached(name: &str, architecture: Option<&str>) -> Vec<PathBuf> {
    let Some(cache) = cache_home() else { return Vec::new() };
    let prefix = architecture.map_or_else(|| format!("{name}-"), |architecture| format!("{architecture}-{name}-"));
    let folders = beginning(&cache.join("nasprof"), &prefix).into_iter().rev();
    folders.filter(|folder| folder.join("complete").exists()).map(|folder| folder.join("lib")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_versions_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let library = |folder: &Path| in_folder(folder, "libonnxruntime.so");
        assert_eq!(library(folder.path()), None);
        for name in ["libonnxruntime.so.1.20.0", "libonnxruntime.so.1.32.0", "libonnxruntime_providers_shared.so"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        assert_eq!(library(folder.path()), Some(folder.path().join("libonnxruntime.so.1.32.0")));
    }
}
