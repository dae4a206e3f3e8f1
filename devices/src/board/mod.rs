//! A board: its architecture, its agent, and the supervisor that starts the agent.

mod library;
mod scripts;
mod supervisor;
mod upload;

pub use self::library::LibraryOrigin;
pub(crate) use self::library::{Library, provide};
pub(crate) use self::supervisor::Supervisor;
pub use self::upload::{FileKind, Upload};
pub(crate) use self::upload::{install, put_all};
use crate::error::{LinkError, Step};
use crate::file::DeviceFile;
use crate::programs::architecture;
use crate::ssh::Connection;
use crate::words::{last_words, start};

/// A board's description of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The work folder, absolute.
    pub(crate) folder: String,
    pub(crate) architecture: String,
    /// Free bytes in the work folder, if the board reports them.
    pub(crate) free_bytes: Option<u64>,
    /// Whether its shell can hold a lock.
    pub(crate) has_flock: bool,
}

/// The run that measures: the token is known only to this run, the words are for users.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) token: String,
    pub(crate) words: String,
}

/// Surveys a board.
pub(crate) fn survey(connection: &Connection, file: &DeviceFile) -> Result<Survey, LinkError> {
    let output = connection.run(scripts::SURVEY, &[&file.work_folder], b"")?;
    if output.status != 0 {
        return Err(failed(Step::WorkFolder, &output.errors, output.status));
    }
    let value = |key: &str| {
        let found = output.text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.filter(|value| !value.is_empty())
    };
    let (Some(folder), Some(machine)) = (value("folder"), value("machine")) else {
        return Err(LinkError::protocol(format!("unexpected description of the board: `{}`", start(&output.text))));
    };
    Ok(Survey {
        folder: folder.to_owned(),
        architecture: architecture(machine, value("bits").and_then(|bits| bits.parse().ok())),
        free_bytes: value("free").and_then(|kilobytes| kilobytes.parse::<u64>().ok()).map(|k| k.saturating_mul(1024)),
        has_flock: value("flock").is_some(),
    })
}

fn failed(step: Step, errors: &str, status: i32) -> LinkError {
    let problem = last_words(errors).map_or_else(|| format!("exit code {status}"), start);
    LinkError::Board { step, problem }
}
