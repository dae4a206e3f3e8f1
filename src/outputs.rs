//! Checks a command's outputs before its work: an output is not an input, its ending fits its format, and it is
//! writable.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nasprof_base::check_replaceable;

use crate::failure::{Failure, of_io};

/// Endings of LUTs.
pub(crate) const LUTS: [&str; 3] = ["parquet", "csv", "json"];

/// Files of a command.
pub(crate) struct Outputs {
    /// Files that the command reads; by what they are and not by what they are called.
    inputs: Vec<(u64, u64)>,
    /// Where files and folders that it reads are, without links.
    places: Vec<PathBuf>,
}

impl Outputs {
    /// For a command that reads these files. What is none, as a built-in name or `-`, cannot be overwritten.
    pub(crate) fn of<P: AsRef<Path>>(inputs: impl IntoIterator<Item = P>) -> Self {
        let paths: Vec<P> = inputs.into_iter().collect();
        let regular = |path: &P| fs::metadata(path).ok().filter(Metadata::is_file);
        Self {
            inputs: paths.iter().filter_map(regular).map(|file| (file.dev(), file.ino())).collect(),
            places: paths.iter().filter_map(|path| fs::canonicalize(path).ok()).collect(),
        }
    }

    fn reads(&self, path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|file| self.inputs.contains(&(file.dev(), file.ino())))
    }

    /// Whether something is read that lies in a folder.
    fn reads_in(&self, folder: &Path) -> bool {
        fs::canonicalize(folder).is_ok_and(|folder| self.places.iter().any(|place| place.starts_with(&folder)))
    }

    /// Refuses an output that an option names.
    pub(crate) fn check(&self, option: &str, path: &Path, endings: &[&str]) -> Result<(), Failure> {
        let about = |problem: &str| Failure::usage(format!("{option} {}: {problem}", path.display()));
        let found = fs::metadata(path).ok();
        if self.reads(path) {
            return Err(about("it would overwrite an input").hint("name another file"));
        }
        // A device or a pipe is written to, whatever it is called.
        if found.is_some_and(|file| !file.is_file() && !file.is_dir()) {
            return Ok(());
        }
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if let Some(ending) = ending.filter(|ending| !endings.is_empty() && !endings.contains(&ending.as_str())) {
            let wanted: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
            return Err(about(&format!("the extension `.{ending}` is not {}", wanted.join(" or ")))
                .hint("use an extension of the format"));
        }
        check_replaceable(path).map_err(|error| match error.kind() {
            io::ErrorKind::IsADirectory => about("is a folder").hint("name a file in it"),
            io::ErrorKind::NotFound => {
                about("its folder does not exist").hint("create the folder, or name another one")
            }
            _ => Failure { exit: of_io(&error), ..about(&error.to_string()) },
        })
    }

    /// Refuses a folder of results whose files would replace what is read.
    pub(crate) fn check_folder(&self, folder: &Path, files: &[&str]) -> Result<(), Failure> {
        let about = |problem: &str| Failure::usage(format!("-o {}: {problem}", folder.display()));
        if fs::metadata(folder).is_ok_and(|found| !found.is_dir()) {
            return Err(about("is not a folder").hint("name a folder; it is created if it does not exist"));
        }
        if folder.to_str().is_none() {
            return Err(about("is not UTF-8, which the trainer needs").hint("name another folder"));
        }
        // Some of them are folders, whose files are removed with them.
        let replaces = |path: &Path| self.reads(path) || self.reads_in(path);
        match files.iter().find(|name| replaces(&folder.join(name))) {
            Some(name) => Err(about(&format!("its {name} would overwrite an input")).hint("name another folder")),
            None => Ok(()),
        }
    }
}

/// Paths that a command may read, of which some are not given.
pub(crate) fn given<'a>(paths: impl IntoIterator<Item = Option<&'a Path>>) -> Vec<PathBuf> {
    paths.into_iter().flatten().map(Path::to_owned).collect()
}
