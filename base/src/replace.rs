//! Atomic file replacement: a file is replaced completely or left unchanged.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

/// Writes a file so that no reader ever sees half of it, and waits until it is on the disk. A device or a pipe of that name
/// is not replaced but written to.
///
/// # Errors
/// If its folder does not exist or the disk fails; a file of that name is then as it was.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_file_by(path, |file| file.write_all(content))
}

/// Like [`replace_file`], with a content that is too large to be held at once: `write` writes it piece by piece.
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

/// Whether [`replace_file`] could write there now: to be asked before the work whose result is to go there.
///
/// # Errors
/// If it is a folder, or its own folder does not exist or cannot be written to.
pub fn check_replaceable(path: &Path) -> io::Result<()> {
    if is_special(path) {
        return Ok(());
    }
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    temporary(folder_of(path)).map(drop)
}

/// A device or a pipe. For root a rename would put a file in the place of `/dev/stdout`, for every program of the machine.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What the names of temporary files begin with; the number of the process that writes it follows.
const PREFIX: &str = ".nasprof-tmp-";

/// A new file in a folder, to be renamed when it is whole. What killed processes left there of such files is removed.
///
/// # Errors
/// If the folder does not exist or cannot be written to.
pub fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    remove_abandoned(folder);
    let mut builder = Builder::new();
    // As for any file one makes, the umask decides who may read it: a temporary file's default is the owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.prefix(&format!("{PREFIX}{}-", std::process::id())).tempfile_in(folder)?;
    // Seen from other machines that share the folder. A file system without locks has those that are never removed.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Removes temporary files whose process is no more and that nobody holds. Nothing depends on it.
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
        // Open at both ends, so that neither reading nor writing waits for the other.
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
