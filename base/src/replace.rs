//! Atomic file replacement: a file is replaced completely or left unchanged.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// Writes a file so that no reader ever sees half of it, and waits until it is on the disk. A device or a pipe is not
/// replaced: the content is written to it.
///
/// # Errors
/// If its folder does not exist or the disk fails; a file of that name is then as it was.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_file_by(path, |file| file.write_all(content))
}

/// Like [`replace_file`], for a content that is too large for memory: `write` writes it piece by piece.
///
/// # Errors
/// As [`replace_file`], and those of `write`; a file of that name is then as it was.
pub fn replace_file_by<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> Result<(), E>,
) -> Result<(), E> {
    if is_special(path) {
        return write(&mut fs::OpenOptions::new().write(true).truncate(true).open(path)?);
    }
    let folder = folder_of(path);
    let mut file = temporary(folder)?;
    write(&mut file)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(File::open(folder)?.sync_all()?)
}

/// Whether [`replace_file`] could write to this path now. Call it before the work whose result goes there.
///
/// # Errors
/// If the path is a folder, or its parent folder does not exist or is not writable.
pub fn check_replaceable(path: &Path) -> io::Result<()> {
    if is_special(path) {
        return Ok(());
    }
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    temporary(folder_of(path)).map(drop)
}

/// A device or a pipe. As root, a rename would replace `/dev/stdout` by a file, for every program of the machine.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Prefix of the names of temporary files; the id of the writing process follows.
const PREFIX: &str = ".nasprof-tmp-";

/// Creates a file in a folder, to be renamed when it is complete. Removes such files of killed processes.
///
/// # Errors
/// If the folder does not exist or is not writable.
pub fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    remove_abandoned(folder);
    let mut builder = Builder::new();
    // The umask decides who may read the file, as for any new file; by default only the owner could read a temporary
    // file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.prefix(&format!("{PREFIX}{}-", std::process::id())).tempfile_in(folder)?;
    // The lock is visible to other machines that share the folder. On file systems without locks, such files are never
    // removed.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Removes temporary files whose process has ended and that nobody has locked. Nothing depends on it.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        let is_gone =
            |process: &u32| Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{process}")).exists();
        if process.filter(is_gone).is_some()
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::FileTypeExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_file_is_replaced_and_a_pipe_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, pipe) = (folder.path().join("file"), folder.path().join("pipe"));
        fs::write(&file, "before").unwrap();
        replace_file(&file, b"after").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"after");

        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // Opened for reading and writing, so that neither waits for the other.
        let mut both = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        replace_file(&pipe, b"after").unwrap();
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        let mut read = [0; 5];
        io::Read::read_exact(&mut both, &mut read).unwrap();
        assert_eq!(&read, b"after");
    }

    #[test]
    fn a_file_whose_content_fails_halfway_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "before").unwrap();
        let halfway = |file: &mut (dyn Write + Send)| {
            file.write_all(b"half").and(Err(io::Error::from(io::ErrorKind::InvalidData)))
        };
        assert_eq!(replace_file_by(&path, halfway).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // Control: without the fault it is replaced.
        replace_file_by(&path, |file| file.write_all(b"whole")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_lives_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut ended = Command::new("true").spawn().unwrap();
        let gone = ended.id();
        ended.wait().unwrap();
        let (left, own) = (format!("{PREFIX}{gone}-a"), format!("{PREFIX}{}-b", std::process::id()));
        for name in [left.as_str(), own.as_str(), ".tmpx1y2z3", ".nasprof-tmp-"] {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        replace_file(&folder.path().join("file"), b"whole").unwrap();
        let there = |name: &str| folder.path().join(name).exists();
        assert!(!there(&left));
        assert!(there(&own) && there(".tmpx1y2z3") && there(".nasprof-tmp-") && there("file"));
    }

    #[test]
    fn what_cannot_be_written_is_known_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        check_replaceable(&file).unwrap();
        assert!(!file.exists());
        assert_eq!(check_replaceable(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(check_replaceable(&file.join("below")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
