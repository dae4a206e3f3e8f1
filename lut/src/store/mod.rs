//! LUTs on disk: Parquet, CSV or JSON by the file's ending, without loss, replaced atomically.

mod columns;
mod csv_text;
mod parquet_file;

use std::fs;
use std::path::Path;

use crate::{Lut, LutError};
pub use nasprof_profiler::replace_file;

/// A LUT of a hundred thousand rows stays below this.
const MAX_BYTES: u64 = 1 << 30;

/// Reads a LUT.
///
/// # Errors
/// If the file cannot be read, is not a LUT, or is damaged.
pub fn read(path: &Path) -> Result<Lut, LutError> {
    let fail = |source| LutError::File { path: path.display().to_string(), source };
    if fs::metadata(path).map_err(fail)?.len() > MAX_BYTES {
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
    let lut: Lut = lut.map_err(|problem| LutError::Format { path: path.display().to_string(), problem })?;
    if lut.context.format_version == 1 {
        return Ok(lut);
    }
    let problem = format!("format_version {} is not known (this version reads 1)", lut.context.format_version);
    Err(LutError::Format { path: path.display().to_string(), problem })
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
