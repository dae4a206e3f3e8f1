//! Errors of run folders.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::config::Difference;

/// An error of a run folder.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The folder holds a run, and the user did not ask to resume it.
    #[error("{}: already holds {} run{}", path.display(), if *finished { "a finished" } else { "an unfinished" }, of(differences))]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// Whether the run there is finished.
        finished: bool,
        /// Differences between the run in the folder (first) and the requested experiment (second).
        differences: Vec<Difference>,
    },
    /// The folder holds a run of another experiment.
    #[error("{}: holds a run of another experiment: {}", path.display(), list(differences))]
    OtherExperiment {
        /// The folder.
        path: PathBuf,
        /// Differences between the run in the folder (first) and the requested experiment (second).
        differences: Vec<Difference>,
    },
    /// The run is not finished, so it cannot be extended.
    #[error("{}: holds an unfinished run of fewer epochs: {}", path.display(), list(differences))]
    Unfinished {
        /// The folder.
        path: PathBuf,
        /// The epochs of the run (first) and the requested epochs (second).
        differences: Vec<Difference>,
    },
    /// `config.toml` does not match the checkpoint.
    #[error("{}: was changed after the last checkpoint: {}", path.display(), list_from(differences, "checkpoint", "file"))]
    OtherConfig {
        /// The file.
        path: PathBuf,
        /// Differences between the checkpoint's experiment (first) and the file (second).
        differences: Vec<Difference>,
    },
    /// A file that the run needs is missing.
    #[error("{}: is missing; the run cannot continue without it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file was altered since the run wrote it.
    #[error("{}: was altered or damaged: its SHA-256 does not match the recorded one", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
    },
    /// A LUT or an accuracy table has changed since the run began.
    #[error("the {what} {} has changed since this run began", path.display())]
    OtherInput {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The images have changed since the run began.
    #[error("{}: the images of the data set have changed since this run began", path.display())]
    OtherData {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A file has the wrong format.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A checkpoint of a format version without checksums.
    #[error(
        "{}: cannot be resumed: format_version 1 has no checksums to verify its files",
        path.display()
    )]
    Unsealed {
        /// The checkpoint.
        path: PathBuf,
    },
    /// Another process uses the folder.
    #[error("{}: another run is using this folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl FolderError {
    /// The error for a file that cannot be read or written; a missing file gives `Missing`.
    pub fn file(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound { Self::Missing { path } } else { Self::File { path, source } }
    }

    pub(super) fn format(path: &Path, problem: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), problem: problem.into() }
    }
}

fn of(differences: &[Difference]) -> String {
    if differences.is_empty() {
        " of this experiment".to_owned()
    } else {
        format!(", of another experiment: {}", list(differences))
    }
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn list_from(differences: &[Difference], first: &str, second: &str) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
    let one = |d: &Difference| {
        format!("`{}` is {} in the {first} and {} in the {second}", d.key, value(&d.first), value(&d.second))
    };
    differences.iter().map(one).collect::<Vec<_>>().join(", ")
}
