//! `networks.jsonl`: one sealed record per line, appended when a network is finished.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::folder::{FolderError, seal, unseal};

/// The records of a run, written to disk immediately.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens or creates the journal at `path`, and returns its records. Removes an incomplete last line, which a killed
    /// process leaves.
    ///
    /// # Errors
    /// A file that cannot be read or written, or an altered line.
    pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<T>), FolderError> {
        let fail = |source| FolderError::file(path, source);
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(fail(e)),
        };
        let (records, whole) = parse(path, &bytes)?;
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(fail)?;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(fail)?;
        }
        Ok((Self { path: path.to_owned(), file }, records))
    }

    /// Reads the records of a journal without opening it for writing.
    ///
    /// # Errors
    /// Those of [`Journal::open`].
    pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, FolderError> {
        let bytes = fs::read(path).map_err(|source| FolderError::file(path, source))?;
        Ok(parse(path, &bytes)?.0)
    }

    /// Appends a record, and returns when it is on the disk.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn append(&mut self, record: &impl Serialize) -> Result<(), FolderError> {
        let fail = |source| FolderError::file(&self.path, source);
        let mut line = seal(record).map_err(|e| fail(e.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data()).map_err(fail)
    }
}

/// The records, and the number of bytes in complete lines.
fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<(Vec<T>, usize), FolderError> {
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let mut records = Vec::new();
    for (i, line) in bytes[..whole].split_inclusive(|&byte| byte == b'\n').enumerate() {
        let damaged = |problem: String| FolderError::Format {
            path: path.to_owned(),
            problem: format!("line {}: {problem}", i + 1),
        };
        let text = std::str::from_utf8(line).map_err(|_| damaged("not UTF-8".to_owned()))?;
        let text =
            unseal(text).ok_or_else(|| damaged("was altered or damaged: its SHA-256 does not match".to_owned()))?;
        records.push(serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))?);
    }
    Ok((records, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_dropped_and_a_changed_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("networks.jsonl");
        let value = |n: u64| serde_json::json!({"n": n});
        let (mut journal, none) = Journal::open::<serde_json::Value>(&path).unwrap();
        assert!(none.is_empty());
        (0..3).for_each(|n| journal.append(&value(n)).unwrap());
        let all = fs::read(&path).unwrap();
        let line = all.len() / 3;
        for cut in [all.len() - 1, 2 * line + 1, 2 * line] {
            fs::write(&path, &all[..cut]).unwrap();
            let (mut journal, kept) = Journal::open::<serde_json::Value>(&path).unwrap();
            assert_eq!(kept, [value(0), value(1)], "cut at {cut}");
            journal.append(&value(2)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), all);
        }
        let mut changed = all.clone();
        changed[line + 5] ^= 1;
        fs::write(&path, &changed).unwrap();
        let error = Journal::open::<serde_json::Value>(&path).unwrap_err().to_string();
        assert!(error.contains("line 2: was altered"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), changed, "it is left as it is");
    }
}
