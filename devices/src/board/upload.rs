//! Files of ours on a board, each under the hash of its content: the agent, and a library for it.

use std::fs;

use sha2::{Digest, Sha256};

use super::{Survey, failed, scripts};
use crate::error::{LinkError, Step};
use crate::file::DeviceFile;
use crate::programs::{Programs, check_architecture};
use crate::ssh::Connection;

/// Room that an upload must leave.
const SPARE_BYTES: u64 = 1 << 20;
/// Agents that are kept, those used last.
const AGENTS: &str = "4";

/// A file on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    /// As the scripts take it.
    pub(crate) path: String,
    /// Whether it was put there just now.
    pub(crate) uploaded: bool,
}

/// Puts the agent for the board's architecture there, unless it is there.
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
    put(connection, file, survey, &Upload { kind: "agent", kept: AGENTS, step: Step::Upload }, &bytes)
}

/// What is put onto a board.
pub(super) struct Upload {
    /// What its name begins with.
    pub(super) kind: &'static str,
    /// How many of the kind are kept there.
    pub(super) kept: &'static str,
    /// For messages.
    pub(super) step: Step,
}

/// Puts bytes there under the hash of their content, unless they are there.
pub(super) fn put(
    connection: &Connection,
    file: &DeviceFile,
    survey: &Survey,
    upload: &Upload,
    bytes: &[u8],
) -> Result<Installed, LinkError> {
    let hash: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{}-{}", upload.kind, &hash[..32]);
    let size = bytes.len().to_string();
    let there = connection.run(scripts::IS_THERE, &[&file.work_folder, &name, &size, &hash], b"")?;
    if there.text.lines().any(|line| line == "present") {
        return Ok(Installed { path: name, uploaded: false });
    }
    let needed = bytes.len() as u64 + SPARE_BYTES;
    if let Some(free) = survey.free_bytes.filter(|&free| free < needed) {
        let problem = format!("{} has {} kB free, but {} kB are needed", survey.folder, free / 1024, needed / 1024);
        return Err(LinkError::Board { step: upload.step, problem });
    }
    let taken = connection.run(scripts::TAKE, &[&file.work_folder, &name, &size, upload.kept], bytes)?;
    if taken.status != 0 {
        return Err(failed(upload.step, &taken.errors, taken.status));
    }
    Ok(Installed { path: name, uploaded: true })
}
