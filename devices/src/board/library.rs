//! ONNX Runtime on a board: the board's own library, or the one in this machine's cache, which is uploaded once.

use std::fs;
use std::path::PathBuf;

use nasprof_base::env_path::env_path;
use nasprof_base::libraries::{cached, in_folder};
use nasprof_profiler::backend::{LIBRARY_ARGUMENT, NO_LIBRARY, ONNX_RUNTIME, ONNX_RUNTIME_LIBRARY, is_onnx_runtime};

use super::upload::{FileKind, Upload, put};
use super::{Survey, scripts};
use crate::error::LinkError;
use crate::file::DeviceFile;
use crate::programs::check_architecture;
use crate::ssh::Connection;
use crate::words::{last_words, words};

/// Where a board's library of ONNX Runtime comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibraryOrigin {
    /// The board's own library.
    Board,
    /// Uploaded just now.
    Uploaded,
    /// Uploaded by an earlier run.
    WasThere,
}

/// A board's library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Library {
    /// Its path on the board.
    pub(crate) path: String,
    pub(crate) origin: LibraryOrigin,
}

impl Library {
    /// Its path, unless the agent finds it by itself, as it does the board's own.
    pub(crate) fn path_to_load(&self) -> Option<&str> {
        (self.origin != LibraryOrigin::Board).then_some(self.path.as_str())
    }
}

/// The library for an agent on the board; `None` if the back end needs none or the agent searches for it itself.
pub(crate) fn provide(
    connection: &Connection,
    file: &DeviceFile,
    survey: &Survey,
    agent: &str,
) -> Result<Option<Library>, LinkError> {
    if !is_onnx_runtime(&file.backend) || file.onnxruntime.is_some() {
        return Ok(None);
    }
    let asked = connection.run(scripts::ASK, &[&file.work_folder, agent, LIBRARY_ARGUMENT], b"")?;
    let last = |text: &str| last_words(text).map(words).unwrap_or_default();
    match asked.status {
        0 => Ok(Some(Library { path: last(&asked.text), origin: LibraryOrigin::Board })),
        status if status == i32::from(NO_LIBRARY) => upload(connection, file, survey, &last(&asked.errors)).map(Some),
        // An agent that fails here reports the problem when it loads the library.
        _ => Ok(None),
    }
}

fn upload(connection: &Connection, file: &DeviceFile, survey: &Survey, complaint: &str) -> Result<Library, LinkError> {
    let architecture = &survey.architecture;
    let Some(path) = of_this_machine(architecture) else {
        return Err(LinkError::NoLibrary { architecture: architecture.clone(), problem: complaint.to_owned() });
    };
    let wrong = |problem: String| LinkError::WrongLibrary { path: path.display().to_string(), problem };
    check_architecture(&path, architecture).map_err(wrong)?;
    let bytes = fs::read(&path).map_err(|e| wrong(e.to_string()))?;
    let installed = put(connection, file, survey, &Upload { kind: FileKind::Library, bytes })?;
    let origin = if installed.uploaded { LibraryOrigin::Uploaded } else { LibraryOrigin::WasThere };
    Ok(Library { path: installed.absolute(survey), origin })
}

/// This machine's library for an architecture: from the environment variable, or from the cache of the install script.
fn of_this_machine(architecture: &str) -> Option<PathBuf> {
    let here = architecture == std::env::consts::ARCH;
    if let Some(named) = env_path("NASPROF_ONNXRUNTIME").filter(|_| here) {
        return if named.is_dir() { in_folder(&named, ONNX_RUNTIME_LIBRARY) } else { Some(named) };
    }
    let folders = cached(ONNX_RUNTIME, (!here).then_some(architecture));
    folders.iter().find_map(|folder| in_folder(folder, ONNX_RUNTIME_LIBRARY))
}
