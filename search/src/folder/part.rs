//! A file that a run needs, with its digest.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use nasprof_base::text::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::FolderError;

/// The content of a file in a run folder at some time. Later appends do not count as changes: a killed run may have written
/// more than its checkpoint covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its path, relative to the run folder.
    pub file: String,
    /// Its length at that time, in bytes.
    pub bytes: u64,
    /// SHA-256 of these bytes, hexadecimal.
    pub sha256: String,
}

impl Part {
    /// The current content of a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(folder: &Path, file: &str) -> Result<Self, FolderError> {
        let path = folder.join(file);
        let bytes = fs::metadata(&path).map_err(|e| FolderError::file(&path, e))?.len();
        let sha256 = digest_of_start(&path, bytes).map_err(|e| FolderError::file(&path, e))?;
        Ok(Self { file: file.to_owned(), bytes, sha256 })
    }

    /// Checks that the file still begins with this content.
    ///
    /// # Errors
    /// If it is missing, unreadable or altered; the error names it.
    pub fn check(&self, folder: &Path) -> Result<(), FolderError> {
        let path = folder.join(&self.file);
        match digest_of_start(&path, self.bytes) {
            Ok(digest) if digest == self.sha256 => Ok(()),
            Ok(_) => Err(FolderError::Altered { path }),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(FolderError::Altered { path }),
            Err(e) => Err(FolderError::file(&path, e)),
        }
    }
}

/// SHA-256 of some bytes, hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn digest_of_start(path: &Path, bytes: u64) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let read = io::copy(&mut File::open(path)?.take(bytes), &mut hasher)?;
    if read < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(hex(&hasher.finalize()))
}
