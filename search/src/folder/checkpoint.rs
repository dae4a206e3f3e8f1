//! `checkpoint/state.json`: the state of a checkpoint and the list of its files.

use std::fs;
use std::path::{Component, Path};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use super::sealed::{seal, unseal};
use super::{FolderError, Part};

/// The main file of a checkpoint, relative to the run folder.
pub const STATE: &str = "checkpoint/state.json";
/// Size limit in bytes; our states are smaller.
const MAX_STATE: u64 = 1 << 28;
const VERSION: u32 = 2;

/// A checkpoint: the digests of its inputs, the files it needs and the state of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint<T> {
    format_version: u32,
    /// Digest of the network's graph.
    pub space: String,
    /// Digest of the images.
    pub data: String,
    /// The experiment: the text of `config.toml`.
    pub experiment: String,
    /// Completed epochs, including the warm-up.
    pub epochs: u32,
    /// The file of the tensors, in the folder of the checkpoint.
    pub tensors: String,
    /// All files that the run needs to go on.
    pub files: Vec<Part>,
    /// The state of the run besides its tensors.
    pub state: T,
}

/// A checkpoint without its state.
pub type Header = Checkpoint<IgnoredAny>;

impl<T> Checkpoint<T> {
    /// A checkpoint of the current format; `of` is `(space, data, experiment)`.
    pub fn new(of: (String, String, String), epochs: u32, tensors: String, files: Vec<Part>, state: T) -> Self {
        let (space, data, experiment) = of;
        Self { format_version: VERSION, space, data, experiment, epochs, tensors, files, state }
    }

    /// Checks every file that the checkpoint needs.
    ///
    /// # Errors
    /// The first file that is missing or altered.
    pub fn check(&self, folder: &Path) -> Result<(), FolderError> {
        self.files.iter().try_for_each(|part| part.check(folder))
    }
}

impl<T: Serialize> Checkpoint<T> {
    /// The text of `state.json`.
    ///
    /// # Errors
    /// Numbers that JSON cannot represent.
    pub fn to_text(&self) -> serde_json::Result<String> {
        seal(self)
    }
}

/// The checkpoint of a run folder without its state, if there is one.
///
/// # Errors
/// Those of [`read_checkpoint`].
pub fn read_header(folder: &Path) -> Result<Option<Header>, FolderError> {
    read_checkpoint(folder)
}

/// The checkpoint of a run folder, if there is one. Does not check its files.
///
/// # Errors
/// A checkpoint that is altered, without checksums or of an unknown format version.
pub fn read_checkpoint<T: DeserializeOwned>(folder: &Path) -> Result<Option<Checkpoint<T>>, FolderError> {
    let path = folder.join(STATE);
    match fs::metadata(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(FolderError::file(&path, e)),
        Ok(facts) if facts.len() > MAX_STATE => return Err(FolderError::format(&path, "is larger than 256 MiB")),
        Ok(_) => {}
    }
    let bytes = fs::read(&path).map_err(|e| FolderError::file(&path, e))?;
    let altered = || FolderError::Altered { path: path.clone() };
    let text = String::from_utf8(bytes).map_err(|_| altered())?;
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    match (serde_json::from_str::<Version>(&text), unseal(&text)) {
        (Ok(Version { format_version: 1 }), _) => Err(FolderError::Unsealed { path }),
        (Ok(Version { format_version }), Some(_)) if format_version != VERSION => {
            let problem = format!("format_version {format_version} is not known (this version reads {VERSION})");
            Err(FolderError::format(&path, problem))
        }
        (_, None) => Err(altered()),
        (_, Some(body)) => {
            let read = serde_json::from_str::<Checkpoint<T>>(&body);
            let checkpoint = read.map_err(|e| FolderError::format(&path, format!("not a checkpoint: {e}")))?;
            let names = checkpoint.files.iter().map(|part| part.file.as_str()).chain([checkpoint.tensors.as_str()]);
            if names.into_iter().any(is_outside) {
                return Err(FolderError::format(&path, "names a file outside of its folder"));
            }
            Ok(Some(checkpoint))
        }
    }
}

fn is_outside(name: &str) -> bool {
    !Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}
