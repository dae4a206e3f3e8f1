//! LUTs on disk: Parquet, CSV or JSON by the file's ending, without loss, replaced atomically.

mod columns;
mod csv_text;
mod parquet_file;
mod validate;

use std::fs;
use std::path::Path;

use crate::{Lut, LutError};

pub use nasprof_base::replace_file;

/// A LUT of a hundred thousand rows stays below this.
const MAX_BYTES: u64 = 1 << 30;

/// Reads a LUT.
///
/// # Errors
/// If the file cannot be read, is not a LUT, is damaged, or has values that no measurement can have written.
pub fn read(path: &Path) -> Result<Lut, LutError> {
    let fail = |source| LutError::File { path: path.display().to_string(), source };
    let metadata = fs::metadata(path).map_err(fail)?;
    // A device or a pipe has no length and may have no end.
    if !metadata.is_file() {
        return Err(fail(std::io::Error::other("not a regular file")));
    }
    if metadata.len() > MAX_BYTES {
        return Err(fail(std::io::Error::other("the file is larger than 1 GiB")));
    }
    let bytes = fs::read(path).map_err(fail)?;
    let lut = match ending(path) {
        // The library is not written for hostile files: some damage makes it panic.
        "parquet" => std::panic::catch_unwind(|| parquet_file::decode(bytes))
            .unwrap_or_else(|_| Err("a damaged Parquet file".to_owned())),
        "csv" => csv_text::decode(&bytes),
        "json" => serde_json::from_slice(&bytes).map_err(|e| e.to_string()),
        other => Err(unknown_ending(other)),
    };
    let format = |problem| LutError::Format { path: path.display().to_string(), problem };
    let lut: Lut = lut.map_err(format)?;
    if lut.context.format_version != 1 {
        let version = lut.context.format_version;
        return Err(format(format!("format_version {version} is not known (this version reads 1)")));
    }
    validate::validate(&lut).map_err(format)?;
    Ok(lut)
}

/// Refuses a path that [`write()`] would refuse for its ending: to be asked before anything is measured for it.
///
/// # Errors
/// If the ending is not known.
pub fn check_ending(path: &Path) -> Result<(), LutError> {
    match ending(path) {
        "parquet" | "csv" | "json" => Ok(()),
        other => Err(LutError::Format { path: path.display().to_string(), problem: unknown_ending(other) }),
    }
}

/// Writes a LUT; a file of that name is replaced in one step or left as it was.
///
/// # Errors
/// If the ending is not known or the disk fails.
pub fn write(lut: &Lut, path: &Path) -> Result<(), LutError> {
    let format = |problem| LutError::Format { path: path.display().to_string(), problem };
    let bytes = match ending(path) {
        "parquet" => parquet_file::encode(lut),
        "csv" => csv_text::encode(lut),
        "json" => serde_json::to_vec_pretty(lut).map_err(|e| e.to_string()),
        other => Err(unknown_ending(other)),
    };
    let bytes = bytes.map_err(format)?;
    replace_file(path, &bytes).map_err(|source| LutError::File { path: path.display().to_string(), source })
}

fn ending(path: &Path) -> &str {
    path.extension().and_then(|e| e.to_str()).unwrap_or("")
}

fn unknown_ending(ending: &str) -> String {
    format!("the ending `.{ending}` is not .parquet, .csv or .json")
}
