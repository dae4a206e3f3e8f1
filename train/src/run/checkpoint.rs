//! Checkpoints: tensors in one safetensors file, numbers in `state.json`, which names that file.
//!
//! The tensors are written first, into a new file; replacing `state.json` makes them the checkpoint. A run that is
//! killed at any moment leaves the last checkpoint or the new one, never a mixture.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nasprof_graph::Identity;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::replace;
use crate::error::SearchError;
use crate::optimizer::Named;

/// A larger state is none of ours.
const MAX_STATE: u64 = 1 << 28;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<T> {
    format_version: u32,
    /// Digest of the space's graph.
    space: String,
    tensors: String,
    state: T,
}

/// The file that makes a checkpoint one.
pub(super) fn state_file(folder: &Path) -> PathBuf {
    folder.join("state.json")
}

/// Writes a checkpoint into the folder; earlier ones are removed when it is there.
pub(super) fn save(
    folder: &Path,
    space: &str,
    epoch: u32,
    tensors: &[Named],
    state: &impl Serialize,
) -> Result<(), SearchError> {
    let name = format!("epoch-{epoch:05}.safetensors");
    let path = folder.join(&name);
    let fail = |source| SearchError::file(&path, source);
    write_tensors(&path, tensors)?;
    let envelope = Envelope { format_version: 1, space: space.to_owned(), tensors: name.clone(), state };
    let text = serde_json::to_vec(&envelope).map_err(|e| fail(e.into()))?;
    replace(&state_file(folder), &text)?;
    for entry in fs::read_dir(folder).map_err(fail)?.flatten() {
        let other = entry.file_name();
        if other.to_string_lossy().ends_with(".safetensors") && other != *name {
            // One that stays takes space and does no harm.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Writes tensors so that at any moment there is the old or the new file.
pub(super) fn write_tensors(path: &Path, tensors: &[Named]) -> Result<(), SearchError> {
    let fail = |source| SearchError::file(path, source);
    let on_cpu: Vec<(&str, Tensor)> = tensors
        .iter()
        .map(|(name, t)| Ok((name.as_str(), t.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?)))
        .collect::<Result<_, tch::TchError>>()?;
    let temporary = nasprof_base::temporary(path.parent().unwrap_or(Path::new("."))).map_err(fail)?;
    Tensor::write_safetensors(&on_cpu, temporary.path())?;
    File::open(temporary.path()).and_then(|f| f.sync_all()).map_err(fail)?;
    temporary.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}

/// A checkpoint that was read.
pub(super) struct Loaded<T> {
    /// The numbers.
    pub(super) state: T,
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

/// The checkpoint of a folder, if it has one.
pub(super) fn load<T: DeserializeOwned>(folder: &Path, space: &Identity) -> Result<Option<Loaded<T>>, SearchError> {
    let path = state_file(folder);
    match fs::metadata(&path) {
        Err(_) => return Ok(None),
        Ok(facts) if facts.len() > MAX_STATE => return Err(SearchError::checkpoint(&path, "is larger than 256 MiB")),
        Ok(_) => {}
    }
    let text = fs::read_to_string(&path).map_err(|e| SearchError::file(&path, e))?;
    let damaged = |e: serde_json::Error| SearchError::checkpoint(&path, format!("not a checkpoint: {e}"));
    let version: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
    if version["format_version"] != 1 {
        let problem = format!("format_version {} is not known (this version reads 1)", version["format_version"]);
        return Err(SearchError::checkpoint(&path, problem));
    }
    let envelope: Envelope<T> = serde_json::from_str(&text).map_err(damaged)?;
    if !space.is(&envelope.space) {
        return Err(SearchError::checkpoint(&path, "is of another space"));
    }
    if envelope.tensors.contains(['/', '\\']) {
        return Err(SearchError::checkpoint(&path, "names a file outside of its folder"));
    }
    let path = folder.join(&envelope.tensors);
    let tensors = Tensor::read_safetensors(&path);
    let tensors = tensors.map_err(|e| SearchError::checkpoint(&path, first_line(&e.to_string())))?;
    Ok(Some(Loaded { state: envelope.state, path, tensors: tensors.into_iter().collect() }))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
