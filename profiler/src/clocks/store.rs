//! The settings as they were before, on the device's disk until they are back.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{ClockError, Setting};
use crate::protocol::ClockRequest;

/// Clocks belong to the machine and usually need root, so the place is the same for all users …
const FOLDER: &str = "var/lib/nasprof";
/// … but for accounts that steer clocks through the commands of a device file and own no such folder.
const OWN_FOLDER: &str = ".local/state/nasprof";
const FILE: &str = "clocks.json";
/// How long a holder that still restores is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// A stored file of a machine with thousands of processors stays below this.
const MAX_BYTES: u64 = 8 << 20;

/// Where the state of a device with this root is kept.
pub(super) fn state_folder(root: &Path) -> PathBuf {
    let own = std::env::var_os("HOME").filter(|_| root == Path::new("/") && !nix::unistd::geteuid().is_root());
    own.map_or_else(|| root.join(FOLDER), |home| PathBuf::from(home).join(OWN_FOLDER))
}

/// What is stored before anything is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Always 1.
    pub format_version: u32,
    /// The boot that the settings are of.
    pub boot: String,
    /// What was asked for: restoring needs the same controls.
    pub request: ClockRequest,
    /// The settings as they were.
    pub settings: Vec<Setting>,
}

/// The only process that changes clocks; others wait while this lives.
pub(super) struct Store {
    _lock: File,
    root: PathBuf,
}

impl Store {
    /// Takes the right to change clocks, waiting for a holder that is restoring.
    pub(super) fn take(root: &Path) -> Result<Self, ClockError> {
        Self::take_within(root, PATIENCE)
    }

    pub(super) fn take_within(root: &Path, patience: Duration) -> Result<Self, ClockError> {
        let folder = state_folder(root);
        let path = folder.join("clocks.lock");
        let fail = |source| ClockError::Store { path: path.display().to_string(), source };
        fs::create_dir_all(&folder).map_err(fail)?;
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(fail)?;
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

    /// What a holder left behind that could not restore.
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

    /// Stores settings, and returns when they are on the disk.
    pub(super) fn keep(&self, request: &ClockRequest, settings: Vec<Setting>) -> Result<Stored, ClockError> {
        let stored = Stored { format_version: 1, boot: boot(&self.root), request: request.clone(), settings };
        let path = self.path();
        let part = path.with_extension("part");
        let write = || {
            let mut file = File::create(&part)?;
            file.write_all(&serde_json::to_vec(&stored)?)?;
            file.sync_all()?;
            fs::rename(&part, &path)?;
            File::open(state_folder(&self.root))?.sync_all()
        };
        write().map_err(|source| ClockError::Store { path: path.display().to_string(), source })?;
        Ok(stored)
    }

    /// Whether the device was booted since.
    pub(super) fn rebooted(&self, stored: &Stored) -> bool {
        stored.boot != boot(&self.root)
    }

    /// The settings are back.
    pub(super) fn forget(&self) -> Result<(), ClockError> {
        let path = self.path();
        fs::remove_file(&path).map_err(|source| ClockError::Store { path: path.display().to_string(), source })
    }
}

/// Whether something was left behind, without changing anything.
pub(super) fn is_left(root: &Path) -> bool {
    state_folder(root).join(FILE).exists()
}

fn boot(root: &Path) -> String {
    let text = fs::read_to_string(root.join("proc/sys/kernel/random/boot_id"));
    text.map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}
