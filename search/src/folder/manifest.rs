//! `run.sha256`: the files of a finished run, in the format of `sha256sum --check`.

use std::fs;
use std::io;
use std::path::Path;

use nasprof_graph::arch::ArchFile;
use nasprof_lut::replace_file;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FolderError, Part};

const MANIFEST: &str = "run.sha256";
const RESULT: &str = "result.json";
/// Possible files of a finished run, in the order of the list.
const FILES: [&str; 10] = [
    "config.toml",
    "luts.sha256",
    "metrics.csv",
    "alphas.csv",
    "pareto.csv",
    "pareto.svg",
    "weights.safetensors",
    "candidates.parquet",
    "arch.json",
    RESULT,
];

/// Writes a result, its architecture and the list of all files into a run folder. It replaces each file atomically. A result
/// without the list counts as unfinished.
///
/// # Errors
/// If a file cannot be written.
pub fn write_result(folder: &Path, arch: Option<&ArchFile>, result: &impl Serialize) -> Result<(), FolderError> {
    reopen(folder)?;
    if let Some(arch) = arch {
        write(folder, "arch.json", &lines(folder, arch)?)?;
    }
    write(folder, RESULT, &lines(folder, result)?)?;
    let mut text = String::new();
    for name in FILES {
        match Part::of(folder, name) {
            Ok(part) => text += &format!("{}  {name}\n", part.sha256),
            Err(FolderError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    write(folder, MANIFEST, text.as_bytes())
}

/// Removes the list before files on it are replaced. The run counts as unfinished until its result is written.
///
/// # Errors
/// If the list cannot be removed.
pub fn reopen(folder: &Path) -> Result<(), FolderError> {
    let list = folder.join(MANIFEST);
    match fs::remove_file(&list) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FolderError::file(&list, e)),
        _ => Ok(()),
    }
}

/// The result of a finished run; `None` if it has none or was interrupted while writing it.
///
/// # Errors
/// A missing or altered file of the run.
pub fn finished<T: DeserializeOwned>(folder: &Path) -> Result<Option<T>, FolderError> {
    let Some(listed) = listed(folder)?.filter(|_| folder.join(RESULT).exists()) else { return Ok(None) };
    let mut result = None;
    for (digest, name) in listed {
        let path = folder.join(name);
        if Part::of(folder, name)?.sha256 != digest {
            return Err(FolderError::Altered { path });
        }
        if name == RESULT {
            let bytes = fs::read(&path).map_err(|e| FolderError::file(&path, e))?;
            let read = serde_json::from_slice(&bytes);
            result = Some(read.map_err(|e| FolderError::format(&path, format!("is not a result: {e}")))?);
        }
    }
    Ok(result)
}

/// Checks those of some files that a run folder still has against its list; `false` if it has no list, as before the end of a
/// run.
///
/// # Errors
/// An altered file.
pub fn check_against_list(folder: &Path, names: &[&str]) -> Result<bool, FolderError> {
    let Some(listed) = listed(folder)? else { return Ok(false) };
    for (digest, name) in listed.into_iter().filter(|(_, name)| names.contains(name)) {
        match Part::of(folder, name) {
            Ok(part) if part.sha256 != digest => return Err(FolderError::Altered { path: folder.join(name) }),
            Ok(_) | Err(FolderError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The digests and names on the list of a run folder, if it has one.
fn listed(folder: &Path) -> Result<Option<Vec<(String, &'static str)>>, FolderError> {
    let list = folder.join(MANIFEST);
    let text = match fs::read_to_string(&list) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(FolderError::file(&list, e)),
    };
    let parse = |line: &str| {
        let known = |name: &str| FILES.into_iter().find(|&file| file == name);
        let parsed = line.split_once("  ").and_then(|(digest, name)| Some((digest.to_owned(), known(name)?)));
        parsed.ok_or_else(|| {
            FolderError::format(&list, format!("`{}` is not the digest of a run's file", line.escape_default()))
        })
    };
    text.lines().map(parse).collect::<Result<_, _>>().map(Some)
}

fn lines(folder: &Path, value: &impl Serialize) -> Result<Vec<u8>, FolderError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| FolderError::file(&folder.join(RESULT), e.into()))?;
    text.push(b'\n');
    Ok(text)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
    let path = folder.join(name);
    replace_file(&path, bytes).map_err(|e| FolderError::file(&path, e))
}
