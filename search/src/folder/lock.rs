//! The lock of a run's folder: one run at a time writes there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use super::FolderError;

/// Name of the file that is locked, for people to read.
pub const LOG: &str = "log.txt";

/// Creates the folder if it is missing and locks its `log.txt`, open for appending. The lock ends with the file.
///
/// # Errors
/// [`FolderError::InUse`] if another run holds it; a folder that cannot be written.
pub fn lock(folder: &Path) -> Result<File, FolderError> {
    fs::create_dir_all(folder).map_err(|source| FolderError::file(folder, source))?;
    let path = folder.join(LOG);
    let fail = |source| FolderError::file(&path, source);
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(fail)?;
    match log.try_lock() {
        Ok(()) => Ok(log),
        Err(TryLockError::WouldBlock) => Err(FolderError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(fail(source)),
    }
}

/// Appends a line to a log, with the UTC time in RFC 3339 format.
///
/// # Errors
/// A file that cannot be written.
pub fn append_line(log: &mut File, line: &str) -> io::Result<()> {
    writeln!(log, "{}\t{line}", humantime::format_rfc3339_seconds(SystemTime::now()))
}
