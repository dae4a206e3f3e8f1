//! Turns failures of the script and of the command into errors.

use super::error::CommandError;
use super::frames::CommandRun;
use super::script::{self, MAX_PRINTED};
use crate::error::{LinkError, Step};
use crate::ssh::Output;
use crate::words::{last_words, words};

/// Why the script ended before all runs were complete.
pub(super) fn of_script(output: &Output, rest: &str, program: String) -> CommandError {
    match output.status {
        script::NO_PROGRAM => CommandError::NoProgram(program),
        script::BUSY => LinkError::InUse { owner: holder(rest), seconds: None }.into(),
        script::CUT => LinkError::Lost("the upload of the model was cut off".to_owned()).into(),
        script::NO_FOLDER => LinkError::Board { step: Step::WorkFolder, problem: complaint(output) }.into(),
        _ => LinkError::Lost(format!("the command's script ended: {}", complaint(output))).into(),
    }
}

/// Why a run failed.
pub(super) fn of_run(program: String, run: &CommandRun, seconds: u64) -> CommandError {
    let printed = String::from_utf8_lossy(&run.printed);
    let words = words(last_words(&printed).unwrap_or_default());
    if run.late {
        CommandError::Deadline { program, seconds, words }
    } else if run.printed.len() as u64 >= MAX_PRINTED {
        CommandError::Printed { program, most: MAX_PRINTED }
    } else {
        CommandError::Failed { program, status: run.status, words }
    }
}

/// The script's last error message, or its exit code.
fn complaint(output: &Output) -> String {
    let lines = output.errors.lines().rev().map(|line| line.trim_start_matches('.').trim());
    let last = lines.into_iter().find(|line| !line.is_empty());
    last.map_or_else(|| format!("exit code {}", output.status), words)
}

/// The holder of the lock, according to the content of the lock file.
fn holder(text: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(text.trim()).ok();
    let owner = value.as_ref().and_then(|value| value.get("owner")?.as_str()).filter(|owner| !owner.is_empty());
    words(owner.unwrap_or("someone"))
}
