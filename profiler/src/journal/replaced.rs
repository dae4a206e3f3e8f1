//! A journal that a new one replaces. It is kept under another name until the new journal contains an event.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use super::JournalError;
use super::writer::{Writer, failed, lock};

/// A replaced journal. If this is dropped, the file keeps its other name.
#[derive(Debug)]
pub struct Replaced {
    path: PathBuf,
    /// Locked, so that no process appends to it under either name.
    _file: File,
}

impl Writer {
    /// Starts a journal; an existing one, readable or not, is renamed first.
    ///
    /// # Errors
    /// If another process writes to it, or a file cannot be renamed or created.
    pub fn create_over(path: &Path) -> Result<(Self, Option<Replaced>), JournalError> {
        let replaced = match OpenOptions::new().append(true).open(path) {
            Ok(file) => {
                lock(&file, path)?;
                fs::rename(path, aside(path)).map_err(|e| failed(path, e))?;
                Some(Replaced { path: path.to_owned(), _file: file })
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(failed(path, e)),
        };
        Ok((Self::create(path)?, replaced))
    }
}

impl Replaced {
    /// Restores it, overwriting the new journal.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub fn restore(self) -> Result<(), JournalError> {
        fs::rename(aside(&self.path), &self.path).map_err(|e| failed(&self.path, e))
    }

    /// Removes it.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(self) -> Result<(), JournalError> {
        fs::remove_file(aside(&self.path)).map_err(|e| failed(&self.path, e))
    }
}

/// The name of a replaced journal.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".replaced");
    PathBuf::from(name)
}
