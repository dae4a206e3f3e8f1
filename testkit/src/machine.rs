//! A fake machine: files of `/proc` and `/sys` below a temporary folder.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Creates a tree with these files and texts; returns its root.
#[must_use]
pub fn tree(files: &[(&str, &str)]) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let root = std::env::temp_dir().join(format!("nasprof-machine-{}-{number}", std::process::id()));
    for (path, text) in files {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
    root
}
