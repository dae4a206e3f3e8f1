//! The original settings on the device's disk, kept until they are restored, and the list of restored ones.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nasprof_base::env_path::home;
use nasprof_profiler::protocol::{Setting, Stored};

use super::ClockError;
use crate::lock_file;
use nasprof_base::replace_file;
use nasprof_profiler::protocol::ClockRequest;

/// Clocks belong to the machine and usually need root, so all users share one folder …
const FOLDER: &str = "var/lib/nasprof";
/// … except accounts other than root, which control clocks by commands of a device file and cannot write there.
const OWN_FOLDER: &str = ".local/state/nasprof";
const FILE: &str = "clocks.json";
/// File with the names of the settings that were restored, one a line.
const BACK_FILE: &str = "clocks.back";
/// Number of names kept there, so that hosts that return later find theirs.
const BACK_KEPT: usize = 64;
/// Maximum wait for a holder that is still restoring.
const PATIENCE: Duration = Duration::from_secs(60);
/// Maximum size of a stored file; a machine with thousands of processors stays below it.
const MAX_BYTES: u64 = 8 << 20;

/// The folder for the state of the device below `root`.
pub(super) fn state_folder(root: &Path) -> PathBuf {
    let own = home().filter(|_| root == Path::new("/") && !nix::unistd::geteuid().is_root());
    own.map_or_else(|| root.join(FOLDER), |home| home.join(OWN_FOLDER))
}

/// The right to change clocks; other processes wait while this exists.
pub(super) struct Store {
    _lock: File,
    root: PathBuf,
}

impl Store {
    /// Takes the right to change clocks; waits for a holder that is still restoring.
    pub(super) fn take(root: &Path) -> Result<Self, ClockError> {
        Self::take_within(root, PATIENCE)
    }

    pub(super) fn take_within(root: &Path, patience: Duration) -> Result<Self, ClockError> {
        let folder = state_folder(root);
        let path = folder.join("clocks.lock");
        let fail = |source| ClockError::Store { path: path.display().to_string(), source };
        fs::create_dir_all(&folder).map_err(fail)?;
        let file = lock_file::open(&path).map_err(fail)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _lock: file, root: root.to_owned() }),
                Err(TryLockError::WouldBlock) if start.elapsed() >= patience => {
                    return Err(ClockError::Held(path.display().to_string()));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
                Err(TryLockError::Error(source)) => return Err(fail(source)),
            }
        }
    }

    fn path(&self) -> PathBuf {
        state_folder(&self.root).join(FILE)
    }

    /// The settings left by a holder that could not restore them.
    pub(super) fn left(&self) -> Result<Option<Stored>, ClockError> {
        let path = self.path();
        let wrong = |problem: String| ClockError::Stored { path: path.display().to_string(), problem };
        match fs::metadata(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(wrong(e.to_string())),
            Ok(metadata) if metadata.len() > MAX_BYTES => return Err(wrong("it is larger than 8 MiB".to_owned())),
            Ok(_) => {}
        }
        let text = fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
        let stored: Stored = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        if stored.format_version == 1 {
            Ok(Some(stored))
        } else {
            Err(wrong(format!("format_version {} is not known (this version reads 1)", stored.format_version)))
        }
    }

    /// The given current settings, with the identifier of this boot.
    pub(super) fn stored(&self, name: &str, request: &ClockRequest, settings: Vec<Setting>) -> Stored {
        let (name, request) = (name.to_owned(), request.clone());
        Stored { format_version: 1, name, boot: boot(&self.root), request, settings }
    }

    /// Stores settings; returns once they are on the disk.
    pub(super) fn keep(&self, stored: &Stored) -> Result<(), ClockError> {
        let bytes = serde_json::to_vec(stored).map_err(|e| self.failed(FILE, e.into()))?;
        self.replace(FILE, &bytes)
    }

    /// Whether the device was rebooted after the settings were stored.
    pub(super) fn rebooted(&self, stored: &Stored) -> bool {
        stored.boot != boot(&self.root)
    }

    /// Whether settings of this name were already restored; later changes are intentional.
    pub(super) fn is_back(&self, name: &str) -> bool {
        self.names_back().iter().any(|known| known == name)
    }

    /// Records that settings are restored, in a file of its own. It is written before the stored settings are removed, so
    /// that a host with a copy does not restore them a second time.
    pub(super) fn mark_back(&self, name: &str) -> Result<(), ClockError> {
        if name.is_empty() || self.is_back(name) {
            return Ok(());
        }
        let mut names = self.names_back();
        names.push(name.to_owned());
        let kept = names[names.len().saturating_sub(BACK_KEPT)..].join("\n");
        self.replace(BACK_FILE, kept.as_bytes())
    }

    /// Removes the stored settings after they are restored.
    pub(super) fn forget(&self, stored: &Stored) -> Result<(), ClockError> {
        self.mark_back(&stored.name)?;
        fs::remove_file(self.path()).map_err(|source| self.failed(FILE, source))
    }

    fn names_back(&self) -> Vec<String> {
        let text = fs::read_to_string(state_folder(&self.root).join(BACK_FILE)).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// Replaces a file of the state folder; returns once it is on the disk.
    fn replace(&self, file: &str, bytes: &[u8]) -> Result<(), ClockError> {
        replace_file(&state_folder(&self.root).join(file), bytes).map_err(|source| self.failed(file, source))
    }

    fn failed(&self, file: &str, source: std::io::Error) -> ClockError {
        ClockError::Store { path: state_folder(&self.root).join(file).display().to_string(), source }
    }
}

/// Whether clocks are changed: held by a measurement, or left by one. Changes nothing.
#[must_use]
pub fn is_left(root: &Path) -> bool {
    state_folder(root).join(FILE).exists()
}

fn boot(root: &Path) -> String {
    let text = fs::read_to_string(root.join("proc/sys/kernel/random/boot_id"));
    text.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
