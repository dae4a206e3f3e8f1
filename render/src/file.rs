//! Writes files of pictures and reports atomically.

use std::path::Path;

use crate::RenderError;

/// Writes a file so that no reader ever sees half of it.
///
/// # Errors
/// If its folder does not exist or the disk fails; a file of that name is then as it was.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<(), RenderError> {
    nasprof_base::replace_file(path, content).map_err(|e| RenderError::file(path, e))
}
