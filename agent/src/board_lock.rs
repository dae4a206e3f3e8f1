//! The board's lock: one measurement at a time. The supervisor holds a file lock while it runs. The kernel releases the lock
//! however the supervisor ends, so there are no stale locks.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{process, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::lock_file;

/// How long this run's previous supervisor may take to die.
const TAKE_OVER: Duration = Duration::from_secs(5);

/// A run's claim to the board.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The lock's file.
    pub file: PathBuf,
    /// Secret of one run. With it, the run may take the board from its own supervisor that a lost link left behind.
    pub token: String,
    /// The run, in words.
    pub owner: String,
}

/// The content of the file: its holder.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Holder {
    token: String,
    owner: String,
    pid: i32,
    /// Seconds since the board's boot, because its calendar clock may be wrong.
    uptime: Option<u64>,
}

/// Holds the board's lock while this exists.
#[derive(Debug)]
pub(crate) struct BoardLock {
    _file: File,
}

/// The answer to a claim.
#[derive(Debug)]
pub(crate) enum Locked {
    Ours(BoardLock),
    By { owner: String, seconds: Option<u64> },
}

impl BoardLock {
    /// Takes the board, or returns its holder.
    pub(crate) fn take(claim: &Claim) -> io::Result<Locked> {
        let mut file = lock_file::open(&claim.file)?;
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(e),
                Err(TryLockError::WouldBlock) => {}
            }
            let holder = read(&mut file).unwrap_or_default();
            if holder.token != claim.token || started.elapsed() > TAKE_OVER {
                let seconds = uptime().zip(holder.uptime).and_then(|(now, since)| now.checked_sub(since));
                let owner = if holder.owner.is_empty() { "someone".to_owned() } else { holder.owner };
                return Ok(Locked::By { owner, seconds });
            }
            if holder.pid > 1 {
                // An error means that the process has already ended.
                let _ = kill(Pid::from_raw(holder.pid), Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let pid = i32::try_from(process::id()).unwrap_or(0);
        let holder = Holder { token: claim.token.clone(), owner: claim.owner.clone(), pid, uptime: uptime() };
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(serde_json::to_string(&holder)?.as_bytes())?;
        Ok(Locked::Ours(Self { _file: file }))
    }
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(1 << 16).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn uptime() -> Option<u64> {
    sysinfo::System::uptime().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn claim(name: &str, token: &str) -> Claim {
        let file = std::env::temp_dir().join(format!("nasprof-lock-{}-{name}", process::id()));
        Claim { file, token: token.to_owned(), owner: format!("owner of {token}") }
    }

    /// Whether a free board is taken. Another test's child process may hold a copy of the last lock between its fork and its exec.
    fn is_taken_soon(claim: &Claim, before: impl Fn()) -> bool {
        (0..500).any(|_| {
            before();
            let is_ours = matches!(BoardLock::take(claim).unwrap(), Locked::Ours(_));
            thread::sleep(Duration::from_millis(if is_ours { 0 } else { 10 }));
            is_ours
        })
    }

    #[test]
    fn a_held_board_names_its_holder_and_a_free_one_is_taken() {
        let first = BoardLock::take(&claim("held", "a")).unwrap();
        let Locked::By { owner, seconds } = BoardLock::take(&claim("held", "b")).unwrap() else {
            panic!("two holders")
        };
        assert_eq!(owner, "owner of a");
        assert!(seconds.is_some_and(|s| s < 60));
        drop(first);
        // Control: what the first left in the file is in nobody's way.
        assert!(is_taken_soon(&claim("held", "b"), || ()));
        fs::remove_file(claim("held", "a").file).unwrap();
    }

    /// The control is the test above: a file of its own is taken.
    #[test]
    fn a_lock_that_leads_to_another_file_leaves_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("precious");
        fs::write(&target, "content").unwrap();
        let claim = Claim { file: folder.path().join("lock"), ..claim("link", "a") };
        std::os::unix::fs::symlink(&target, &claim.file).unwrap();
        let error = BoardLock::take(&claim).unwrap_err().to_string();
        assert!(error.contains("lock") && error.contains("symbolic link"), "{error}");
        assert_eq!(fs::read(&target).unwrap(), b"content");
    }

    #[test]
    fn a_file_that_makes_no_sense_is_taken_and_a_held_one_is_not() {
        let claim = claim("garbage", "a");
        for text in ["", "{", "\0\0", "{\"token\":7}", "{\"token\":\"a\",\"owner\":\"\",\"pid\":-1,\"uptime\":null}"] {
            assert!(is_taken_soon(&claim, || fs::write(&claim.file, text).unwrap()), "{text}");
        }
        let held = File::open(&claim.file).unwrap();
        held.lock().unwrap();
        fs::write(&claim.file, "garbage").unwrap();
        assert!(matches!(BoardLock::take(&claim).unwrap(), Locked::By { seconds: None, .. }));
        fs::remove_file(claim.file).unwrap();
    }
}
