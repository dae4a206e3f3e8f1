//! The host's copy of a device's original clock settings, kept from before they are locked until the device reports
//! them restored. It outlives this program, so the next contact can restore them even if the device lost its own copy.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nasprof_base::replace_file;
use nasprof_profiler::protocol::Stored;

use crate::error::{ClockStep, LinkError};

/// Maximum size of a copy; that of a board with thousands of settings stays below it.
const MAX_BYTES: usize = 8 << 20;

/// The file with the copy of one device.
#[derive(Debug, Clone)]
pub(crate) struct ClockCopy {
    path: PathBuf,
}

impl ClockCopy {
    /// The copy of a device, in the folder of all copies. `identity` identifies the device uniquely.
    pub(crate) fn of(folder: &Path, identity: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        Self { path: folder.join(format!("{}.json", identity.chars().map(plain).collect::<String>())) }
    }

    /// The copy, if there is one.
    pub(crate) fn read(&self) -> Result<Option<Stored>, LinkError> {
        let wrong = |problem: &dyn ToString| self.wrong(ClockStep::Read, problem.to_string());
        let bytes = match fs::metadata(&self.path) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Ok(metadata) if metadata.len() > MAX_BYTES as u64 => return Err(wrong(&"it is larger than 8 MiB")),
            _ => fs::read(&self.path).map_err(|e| wrong(&e))?,
        };
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|e| wrong(&e))?;
        if stored.format_version != 1 {
            let version = stored.format_version;
            return Err(wrong(&format!("format_version {version} is not known (this version reads 1)")));
        }
        Ok(Some(stored))
    }

    /// Stores a copy; it is on the disk when this returns.
    pub(crate) fn keep(&self, stored: &Stored) -> Result<(), LinkError> {
        let bytes = serde_json::to_vec(stored).map_err(|e| self.wrong(ClockStep::Keep, e))?;
        if bytes.len() > MAX_BYTES {
            return Err(self.wrong(ClockStep::Keep, "the device has more than 8 MiB of settings"));
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .and_then(|()| replace_file(&self.path, &bytes))
            .map_err(|e| self.wrong(ClockStep::Keep, e))
    }

    /// Removes the copy after the clocks are restored. If it cannot be removed, restoring from it later changes nothing.
    pub(crate) fn forget(&self) {
        let _ = fs::remove_file(&self.path);
    }

    /// The error of a step with the copy.
    pub(crate) fn wrong(&self, what: ClockStep, problem: impl ToString) -> LinkError {
        LinkError::Clocks { what, copy: self.path.clone(), problem: problem.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Stored {
        serde_json::from_str(r#"{"format_version":1,"name":"a","boot":"b","request":{},"settings":[]}"#).unwrap()
    }

    #[test]
    fn a_copy_is_kept_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let copy = ClockCopy::of(&folder.path().join("new"), "SHA256:a/b+c [::1]:22");
        assert_eq!(copy.read().unwrap(), None);
        copy.keep(&stored()).unwrap();
        assert_eq!(copy.read().unwrap(), Some(stored()));
        assert_eq!(ClockCopy::of(&folder.path().join("new"), "another").read().unwrap(), None);
        copy.forget();
        copy.forget();
        assert_eq!(copy.read().unwrap(), None);
    }

    #[test]
    fn a_damaged_copy_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let copy = ClockCopy::of(folder.path(), "board");
        let whole = serde_json::to_string(&stored()).unwrap();
        for text in [&whole[..20], "", "[]", &whole.replace(":1,", ":9,"), &whole.replace("[]", "7"), "\u{0}"] {
            fs::write(folder.path().join("board.json"), text).unwrap();
            let error = copy.read().unwrap_err().to_string();
            assert!(error.contains("board.json"), "{text}: {error}");
        }
        let large = fs::File::create(folder.path().join("board.json")).unwrap();
        large.set_len(MAX_BYTES as u64 + 1).unwrap();
        assert!(copy.read().unwrap_err().to_string().contains("8 MiB"));
    }
}
