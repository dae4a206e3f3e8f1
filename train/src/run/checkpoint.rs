//! Checkpoints: tensors in one safetensors file, numbers in `state.json`, which names that file.
//!
//! The tensors are written first, into a separate file. Replacing `state.json` then makes them the checkpoint. So a run that
//! is killed at any moment leaves the last checkpoint or the new one, never a mixture. `state.json` has the digest of every
//! file that the run continues from, and of itself.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nasprof_graph::Identity;
use nasprof_search::folder::{Checkpoint, FolderError, Part, STATE, read_checkpoint};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::{Device, Tensor};

use super::replace;
use crate::error::SearchError;
use crate::optimizer::Named;

/// The inputs that a checkpoint belongs to.
#[derive(Debug, Clone)]
pub(super) struct Of {
    /// The network's graph.
    pub(super) space: Identity,
    /// Digest of the images.
    pub(super) data: String,
    /// The experiment: the text of `config.toml`.
    pub(super) experiment: String,
}

/// Writes a checkpoint into the run folder, then removes the earlier ones. It includes the digests of its tensors and of the
/// existing files in `beside`.
pub(super) fn save(
    folder: &Path,
    of: &Of,
    epoch: u32,
    tensors: &[Named],
    beside: &[&str],
    state: &impl Serialize,
) -> Result<(), SearchError> {
    let name = format!("epoch-{epoch:05}.safetensors");
    let file = format!("checkpoint/{name}");
    write_tensors(&folder.join(&file), tensors)?;
    let there = beside.iter().copied().filter(|file| folder.join(file).exists());
    let files = there.chain([file.as_str()]).map(|file| Part::of(folder, file)).collect::<Result<Vec<_>, _>>()?;
    let keep: Vec<PathBuf> = files.iter().map(|part| folder.join(&part.file)).collect();
    let of = (of.space.digest().to_owned(), of.data.clone(), of.experiment.clone());
    let path = folder.join(STATE);
    let text = Checkpoint::new(of, epoch, name, files, state).to_text();
    replace(&path, text.map_err(|e| SearchError::file(&path, e.into()))?.as_bytes())?;
    let checkpoint = folder.join("checkpoint");
    for entry in fs::read_dir(&checkpoint).map_err(|e| SearchError::file(&checkpoint, e))?.flatten() {
        let other = entry.path();
        if other.extension().is_some_and(|end| end == "safetensors") && !keep.contains(&other) {
            // A remaining file only takes space.
            let _ = fs::remove_file(other);
        }
    }
    Ok(())
}

/// Writes tensors and replaces the file atomically.
pub(super) fn write_tensors(path: &Path, tensors: &[Named]) -> Result<(), SearchError> {
    let fail = |source| SearchError::file(path, source);
    let on_cpu: Vec<(&str, Tensor)> = tensors
        .iter()
        .map(|(name, t)| Ok((name.as_str(), t.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?)))
        .collect::<Result<_, tch::TchError>>()?;
    let temporary = nasprof_base::temporary(path.parent().unwrap_or(Path::new("."))).map_err(fail)?;
    Tensor::write_safetensors(&on_cpu, temporary.path()).map_err(|e| fail(io_error(&e)))?;
    File::open(temporary.path()).and_then(|f| f.sync_all()).map_err(fail)?;
    temporary.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}

/// The error of a file in an error of tch, which keeps it as debug text only: `IoError(Os { code: 28, … })`.
fn io_error(error: &tch::TchError) -> io::Error {
    let text = error.to_string();
    let code =
        text.split_once("code: ").and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    code.map_or_else(|| io::Error::other(first_line(&text)), io::Error::from_raw_os_error)
}

/// Reads tensors by their names.
pub(super) fn read_tensors(path: &Path) -> Result<HashMap<String, Tensor>, SearchError> {
    let tensors = Tensor::read_safetensors(path);
    let tensors = tensors.map_err(|e| SearchError::checkpoint(path, first_line(&e.to_string())))?;
    Ok(tensors.into_iter().collect())
}

/// A loaded checkpoint.
pub(super) struct Loaded<T> {
    /// The state besides the tensors.
    pub(super) state: T,
    /// Completed epochs.
    pub(super) epochs: u32,
    /// The file of the tensors.
    pub(super) path: PathBuf,
    tensors: HashMap<String, Tensor>,
}

impl<T> Loaded<T> {
    /// A tensor by its name.
    pub(super) fn find(&self, name: &str) -> Option<Tensor> {
        self.tensors.get(name).map(Tensor::shallow_clone)
    }
}

/// The checkpoint of a run folder, if it has one. Opening the folder has already checked the experiment.
pub(super) fn load<T: DeserializeOwned>(folder: &Path, of: &Of) -> Result<Option<Loaded<T>>, SearchError> {
    let Some(checkpoint) = read_checkpoint::<T>(folder)? else { return Ok(None) };
    let state = folder.join(STATE);
    if !of.space.is(&checkpoint.space) {
        return Err(SearchError::checkpoint(&state, "belongs to another space"));
    }
    if checkpoint.data != of.data {
        return Err(FolderError::OtherData { path: state }.into());
    }
    checkpoint.check(folder)?;
    let path = folder.join("checkpoint").join(&checkpoint.tensors);
    let tensors = read_tensors(&path)?;
    Ok(Some(Loaded { state: checkpoint.state, epochs: checkpoint.epochs, path, tensors }))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
