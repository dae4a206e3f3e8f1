//! Opens a lock file in a directory that other users may be able to write to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens a lock file for reading and writing; creates it if it is missing. The content is left unchanged: only the holder of
/// the lock writes it.
///
/// # Errors
/// If the path is a symbolic link, not a regular file, a hard link, or owned by another account. So another user cannot
/// redirect a lock to a file of their choice.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let options = OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(flags.bits()).clone();
    let file = match options.clone().create_new(true).open(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        made => made,
    };
    let file = file.map_err(|e| {
        let is_link = e.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32);
        if is_link { refused(path, "is a symbolic link") } else { e }
    })?;
    // The metadata of the open file, because the path may lead elsewhere by now.
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(refused(path, "is not a regular file"));
    }
    if found.nlink() > 1 {
        return Err(refused(path, "has a second name (a hard link)"));
    }
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return Err(refused(path, "belongs to another account"));
    }
    Ok(file)
}

fn refused(path: &Path, problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, format!("the lock file {} {problem}; remove it", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_lock_leads_to_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("precious"), "content").unwrap();
        symlink(path("precious"), path("link")).unwrap();
        symlink(path("absent"), path("dangling")).unwrap();
        fs::hard_link(path("precious"), path("hard")).unwrap();
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        for (name, naming) in [
            ("link", "symbolic link"),
            ("dangling", "symbolic link"),
            ("hard", "hard link"),
            ("pipe", "not a regular file"),
        ] {
            let error = open(&path(name)).unwrap_err().to_string();
            assert!(error.contains(naming), "{name}: {error}");
        }
        assert!(!path("absent").exists());
        assert_eq!(fs::read(path("precious")).unwrap(), b"content");
    }

    /// The control: a file of our own is opened as it is, and a missing one is made.
    #[test]
    fn an_own_file_is_opened_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        open(&path).unwrap();
        fs::write(&path, "holder").unwrap();
        open(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"holder");
    }

    #[test]
    fn another_accounts_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        fs::write(&path, "").unwrap();
        // Only root can give a file away; elsewhere a file of root's that anybody may write is not at hand.
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
            assert!(open(&path).unwrap_err().to_string().contains("another account"));
        }
    }
}
