//! Files that are replaced in one step or left as they were.

use std::io::Write;
use std::path::Path;

use tempfile::Builder;

use crate::ReportError;

/// Writes a file so that no reader ever sees half of it.
///
/// # Errors
/// If its folder does not exist or the disk fails; a file of that name is then as it was.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    let fail = |e| ReportError::file(path, e);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    // As for any file one makes, the umask decides who may read it: a temporary file's default is the owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder).map_err(fail)?;
    file.write_all(content).map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}
