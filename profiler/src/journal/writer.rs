//! Appends to a journal.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::line::checksum;
use super::reader::read_to_resume;
use super::{Event, JournalError, Recovered};

/// The only writer of a journal; the file is locked while this exists.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    next: u64,
}

impl Writer {
    /// Starts a journal; the file must not exist.
    ///
    /// # Errors
    /// If it exists or cannot be created.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let file = OpenOptions::new().create_new(true).append(true).open(path).map_err(|e| failed(path, e))?;
        lock(&file, path)?;
        Ok(Self { file, path: path.to_owned(), next: 0 })
    }

    /// Opens a journal to resume it: its events, and a writer after the last complete line. An incomplete last line is
    /// removed; so is a header without further events.
    ///
    /// # Errors
    /// If it is damaged, in use, or cannot be opened.
    pub fn resume(path: &Path) -> Result<(Recovered, Self), JournalError> {
        let file = OpenOptions::new().append(true).open(path).map_err(|e| failed(path, e))?;
        lock(&file, path)?;
        let recovered = read_to_resume(path)?;
        if recovered.torn_line.is_some() {
            file.set_len(recovered.valid_bytes).map_err(|e| failed(path, e))?;
        }
        let next = recovered.events.len() as u64;
        Ok((recovered, Self { file, path: path.to_owned(), next }))
    }

    /// Appends an event. When this returns, the event survives the death of this process; see [`Writer::sync`] for the disk.
    ///
    /// # Errors
    /// If the disk is full or fails.
    pub fn append(&mut self, event: &Event) -> Result<(), JournalError> {
        let text = serde_json::to_string(event).map_err(|e| failed(&self.path, e.into()))?;
        let crc = checksum(self.next, &text);
        let line = format!("{{\"sequence\":{},\"crc\":\"{crc}\",\"event\":{text}}}\n", self.next);
        self.file.write_all(line.as_bytes()).map_err(|e| failed(&self.path, e))?;
        self.next += 1;
        Ok(())
    }

    /// Waits until all events are on the disk.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(|e| failed(&self.path, e))
    }
}

pub(super) fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path.display().to_string())),
        Err(TryLockError::Error(e)) => Err(failed(path, e)),
    }
}

pub(super) fn failed(path: &Path, source: std::io::Error) -> JournalError {
    JournalError::File { path: path.display().to_string(), source }
}
