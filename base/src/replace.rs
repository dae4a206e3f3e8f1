//! Atomic file replacement: a file is replaced completely or left unchanged.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tempfile::Builder;

/// Writes a file so that no reader ever sees half of it, and waits until it is on the disk. A device or a pipe of that name
/// is not replaced but written to.
///
/// # Errors
/// If its folder does not exist or the disk fails; a file of that name is then as it was.
pub fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    // For root a rename would put a file in the place of `/dev/stdout`, for every program of the machine.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return fs::write(path, content);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    // As for any file one makes, the umask decides who may read it: a temporary file's default is the owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    File::open(folder)?.sync_all()
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
}
