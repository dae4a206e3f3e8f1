//! Why a folder cannot be used for a run.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::config::Difference;

/// A folder that cannot be used for a run.
#[derive(Debug, Error)]
pub enum FolderError {
    /// It holds a run, and nobody asked to resume that.
    #[error("{}: holds {} run already{}", path.display(), if *finished { "a finished" } else { "an unfinished" }, of(differences))]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// Whether the run there is finished.
        finished: bool,
        /// In what the run there (first) and the experiment that was asked for (second) differ.
        differences: Vec<Difference>,
    },
    /// It holds a run of another experiment.
    #[error("{}: holds a run of another experiment: {}", path.display(), list(differences))]
    OtherExperiment {
        /// The folder.
        path: PathBuf,
        /// In what the run there (first) and the experiment that was asked for (second) differ.
        differences: Vec<Difference>,
    },
    /// A run can be extended only when it is finished.
    #[error("{}: holds an unfinished run of fewer epochs: {}", path.display(), list(differences))]
    Unfinished {
        /// The folder.
        path: PathBuf,
        /// The epochs there (first) and those asked for (second).
        differences: Vec<Difference>,
    },
    /// `config.toml` is not that of the checkpoint beside it.
    #[error("{}: was changed after the checkpoint beside it was written: {}", path.display(), list_from(differences, "checkpoint", "file"))]
    OtherConfig {
        /// The file.
        path: PathBuf,
        /// In what the checkpoint's experiment (first) and that of the file (second) differ.
        differences: Vec<Difference>,
    },
    /// A file that the run stands on is not there.
    #[error("{}: is missing, and the run cannot go on without it", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is not as the run wrote it.
    #[error("{}: was altered or damaged: its SHA-256 is not the one that the run wrote down", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
    },
    /// A LUT is another one than when the run was begun.
    #[error("the LUT {} is not what it was when this run was begun", path.display())]
    OtherLut {
        /// The LUT.
        path: PathBuf,
    },
    /// The images are others than when the run was begun.
    #[error("{}: the images of the data set are not those that this run was begun with", path.display())]
    OtherData {
        /// The checkpoint.
        path: PathBuf,
    },
    /// Not what it should be.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A checkpoint of a version that wrote no checksums.
    #[error(
        "{}: format_version 1 has no checksums, so nothing shows that its files are as they were written: it cannot be resumed",
        path.display()
    )]
    Unsealed {
        /// The checkpoint.
        path: PathBuf,
    },
    /// Another process runs in it.
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
    /// A file that cannot be read or written; one that is not there is missing.
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
