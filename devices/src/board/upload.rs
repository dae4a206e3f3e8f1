//! Our files on a board, each named by the hash of its content: the agent, a library for it, and models.

use std::fs;

use nasprof_base::text::hex;
use nasprof_profiler::backend::ONNX_RUNTIME;
use sha2::{Digest, Sha256};

use super::{Survey, failed, scripts};
use crate::error::{LinkError, Step};
use crate::file::DeviceFile;
use crate::programs::{Programs, check_architecture};
use crate::ssh::Connection;

/// Free bytes that must remain after an upload.
const SPARE_BYTES: u64 = 1 << 20;

/// A file to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its kind.
    pub kind: FileKind,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The kind of a file on a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The agent.
    Agent,
    /// ONNX Runtime.
    Library,
    /// A model that the agent's runtime reads.
    Model,
    /// Values of a model's inputs.
    Values,
}

impl FileKind {
    /// Prefix of the names of such files.
    fn prefix(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Library => ONNX_RUNTIME,
            Self::Model => "model",
            Self::Values => "values",
        }
    }

    /// How many files of the kind stay on a board: those used last. All but agents can be large.
    fn kept(self) -> &'static str {
        match self {
            Self::Agent => "4",
            Self::Library | Self::Model | Self::Values => "2",
        }
    }

    fn step(self) -> Step {
        match self {
            Self::Agent => Step::Upload,
            Self::Library => Step::UploadLibrary,
            Self::Model | Self::Values => Step::UploadModel,
        }
    }
}

/// A file on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    /// Its path for the scripts.
    pub(crate) path: String,
    /// Whether it was uploaded just now.
    pub(crate) uploaded: bool,
}

impl Installed {
    /// Its absolute path, for the agent.
    pub(super) fn absolute(&self, survey: &Survey) -> String {
        format!("{}/{}", survey.folder, self.path)
    }
}

/// Uploads the agent for the board's architecture, unless it is already there.
pub(crate) fn install(
    connection: &Connection,
    file: &DeviceFile,
    survey: &Survey,
    programs: &Programs,
) -> Result<Installed, LinkError> {
    if let Some(path) = &file.agent_on_board {
        return Ok(Installed { path: path.clone(), uploaded: false });
    }
    let program = match &file.agent {
        Some(path) => path.clone(),
        None => programs.for_architecture(&file.backend, &survey.architecture)?,
    };
    let wrong = |problem: String| LinkError::WrongAgent { path: program.display().to_string(), problem };
    check_architecture(&program, &survey.architecture).map_err(wrong)?;
    let bytes = fs::read(&program).map_err(|e| wrong(e.to_string()))?;
    put(connection, file, survey, &Upload { kind: FileKind::Agent, bytes })
}

/// Uploads files; returns their absolute paths on the board.
pub(crate) fn put_all(
    connection: &Connection,
    file: &DeviceFile,
    survey: &Survey,
    uploads: &[Upload],
) -> Result<Vec<String>, LinkError> {
    let path = |upload| Ok(put(connection, file, survey, upload)?.absolute(survey));
    uploads.iter().map(path).collect()
}

/// Uploads bytes under the hash of their content, unless they are already there.
pub(super) fn put(
    connection: &Connection,
    file: &DeviceFile,
    survey: &Survey,
    upload: &Upload,
) -> Result<Installed, LinkError> {
    let Upload { kind, bytes } = upload;
    let hash = hex(&Sha256::digest(bytes));
    let name = format!("{}-{}", kind.prefix(), &hash[..32]);
    let size = bytes.len().to_string();
    let there = connection.run(scripts::IS_THERE, &[&file.work_folder, &name, &size, &hash], b"")?;
    if there.text.lines().any(|line| line == "present") {
        return Ok(Installed { path: name, uploaded: false });
    }
    let needed = bytes.len() as u64 + SPARE_BYTES;
    if let Some(free) = survey.free_bytes.filter(|&free| free < needed) {
        let problem = format!("{} has {} kB free, but {} kB are needed", survey.folder, free / 1024, needed / 1024);
        return Err(LinkError::Board { step: kind.step(), problem });
    }
    let taken = connection.run(scripts::TAKE, &[&file.work_folder, &name, &size, kind.kept()], bytes)?;
    if taken.status != 0 {
        return Err(failed(kind.step(), &taken.errors, taken.status));
    }
    Ok(Installed { path: name, uploaded: true })
}
