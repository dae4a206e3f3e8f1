//! A file that a run stands on, with its digest.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::FolderError;

/// A file of a run folder as it was at some time. What was appended later does not alter it: a run that was killed between
/// two files may have left more than its checkpoint knows of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its path below the run folder.
    pub file: String,
    /// Its length then, bytes.
    pub bytes: u64,
    /// SHA-256 of these bytes, hexadecimal.
    pub sha256: String,
}

impl Part {
    /// A file as it is now.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(folder: &Path, file: &str) -> Result<Self, FolderError> {
        let path = folder.join(file);
        let bytes = fs::metadata(&path).map_err(|e| FolderError::file(&path, e))?.len();
        let sha256 = digest_of_start(&path, bytes).map_err(|e| FolderError::file(&path, e))?;
        Ok(Self { file: file.to_owned(), bytes, sha256 })
    }

    /// Whether the file still begins with what it was.
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

pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_of_start(path: &Path, bytes: u64) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let read = io::copy(&mut File::open(path)?.take(bytes), &mut hasher)?;
    if read < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(hex(&hasher.finalize()))
}
