//! File names that are derived from other names.

use std::path::Path;

/// The name of a file without its ending, or of a built-in object, for default output names. No name begins like an
/// option, so that `rm *` does not take it for one.
pub(crate) fn file_name(name: &str) -> String {
    let stem = Path::new(name).file_stem().map_or_else(|| name.to_owned(), |s| s.to_string_lossy().into_owned());
    let name = plain(&stem);
    if name.starts_with('-') { format!("_{name}") } else { name }
}

/// A name with only characters that are safe in a file name.
pub(crate) fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

/// The last part of a path, for people.
pub(crate) fn last_part(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
