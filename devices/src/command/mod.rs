//! Devices that run a command in an agent's place: any program that measures a model and writes what it found.
//!
//! One script runs the command, here and on a board ([`script`]). It ends and tidies up with whatever ends the link, so a board
//! needs nothing but a shell.

mod error;
mod frames;
mod local;
mod script;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nasprof_base::env_path::env_path;

pub use self::error::CommandError;
use self::frames::Frames;
pub use self::frames::{CommandRun, Fetched};
use crate::agent::words;
use crate::board::survey;
use crate::error::{LinkError, Step};
use crate::file::{CommandTable, DeviceFile, Transport};
use crate::link::{Milestone, this_run};
use crate::local::run_here;
use crate::pauses::{Clock, Pauses, SystemClock};
use crate::power_mode::PowerMode;
use crate::ssh::{AskPassphrase, Connection, Credentials, Endpoint, Output};

/// Most bytes of what a command prints.
const MAX_PRINTED: u64 = 16 << 20;
/// Most bytes of a file that it writes.
const MAX_FILE: u64 = 512 << 20;
/// The user is listened to this often.
const STEP: Duration = Duration::from_millis(100);

/// A model to measure.
#[derive(Debug, Clone)]
pub struct CommandModel {
    /// Where it is, for a device that has this machine's files; other files may stand beside it.
    pub path: Option<PathBuf>,
    /// Ending of its file's name, which programs look at.
    pub ending: String,
    /// Its bytes, where there is no path.
    pub bytes: Vec<u8>,
}

/// A device that runs a command.
pub struct CommandDevice {
    file: DeviceFile,
    command: CommandTable,
    remote: Option<Remote>,
    facts: BTreeMap<String, String>,
}

struct Remote {
    endpoint: Endpoint,
    credentials: Credentials,
    /// Nothing after the link was lost, until it is made again.
    connection: Option<Connection>,
    /// The work folder, absolute.
    folder: String,
}

impl CommandDevice {
    /// Reaches a device whose file has this command; a board is logged in to. `tell` hears of each step.
    ///
    /// # Errors
    /// Whatever stands in the way.
    pub fn open(
        file: &DeviceFile,
        command: &CommandTable,
        ask: AskPassphrase,
        tell: &mut dyn FnMut(Milestone),
    ) -> Result<Self, LinkError> {
        let remote = match file.transport {
            Transport::Local => None,
            Transport::Ssh => Some(Remote {
                endpoint: Endpoint::of(file)?,
                credentials: Credentials::new(ask),
                connection: None,
                folder: String::new(),
            }),
        };
        let mut device = Self { file: file.clone(), command: command.clone(), remote, facts: BTreeMap::new() };
        let clock = SystemClock::new();
        let mut pauses = Pauses::within(file.reconnect(), &clock);
        loop {
            match device.reach(tell) {
                Err(error @ LinkError::Handshake { .. }) => {
                    let Some(pause) = pauses.next(&clock) else { return Err(error) };
                    tell(Milestone::TryingAgain { problem: error.to_string(), pause });
                    clock.sleep(pause);
                }
                result => return result.map(|()| device),
            }
        }
    }

    /// Whether it is a board, with files of its own.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// What is known of the device and of what it runs.
    #[must_use]
    pub fn facts(&self) -> &BTreeMap<String, String> {
        &self.facts
    }

    /// Runs the command on a model so many times, each in a fresh process. After a lost link it goes on with the runs that are
    /// still to be done; `waiting` is told why and for how long. `done` hears how many runs are over.
    ///
    /// # Errors
    /// If the device stays lost, or a run failed.
    pub fn run(
        &mut self,
        model: &CommandModel,
        runs: u32,
        interrupted: &Arc<AtomicBool>,
        waiting: &mut dyn FnMut(&str, Duration),
        done: &mut dyn FnMut(usize),
    ) -> Result<Vec<CommandRun>, CommandError> {
        let clock = SystemClock::new();
        let mut pauses = Pauses::within(self.file.reconnect(), &clock);
        let mut all = Vec::new();
        loop {
            let left = runs - u32::try_from(all.len()).unwrap_or(runs);
            let before = all.len();
            let lost = match self.attempt(model, left, interrupted, &mut all, done) {
                Err(CommandError::Link(error)) if error.is_transient() => error,
                result => return result.map(|()| all),
            };
            if all.len() > before {
                pauses.restart(&clock);
            }
            let Some(pause) = pauses.next(&clock) else { return Err(lost.into()) };
            waiting(&lost.to_string(), pause);
            let end = clock.now() + pause;
            while clock.now() < end {
                if interrupted.load(Ordering::Relaxed) {
                    return Err(CommandError::Interrupted);
                }
                clock.sleep(STEP.min(end.saturating_sub(clock.now())));
            }
        }
    }

    /// Whether the program is there and may measure, without a model.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check(&mut self, interrupted: &Arc<AtomicBool>) -> Result<(), CommandError> {
        let nothing = CommandModel { path: None, ending: String::new(), bytes: Vec::new() };
        self.attempt(&nothing, 0, interrupted, &mut Vec::new(), &mut |_| {})
    }

    /// One go of the script: `all` gets the runs that came through, also where the link is lost later.
    fn attempt(
        &mut self,
        model: &CommandModel,
        runs: u32,
        interrupted: &Arc<AtomicBool>,
        all: &mut Vec<CommandRun>,
        done: &mut dyn FnMut(usize),
    ) -> Result<(), CommandError> {
        self.reach(&mut |_| {})?;
        let wanted = all.len() as u64 + u64::from(runs);
        let mut frames = Frames::new(MAX_FILE);
        let mut hear = |output: &mut Vec<u8>| {
            frames.take(output).map_err(|problem| io::Error::new(ErrorKind::InvalidData, problem))?;
            output.clear();
            for run in frames.runs.drain(..) {
                // A failed run is not repeated.
                let failed = run.status != 0;
                all.push(run);
                if failed {
                    return Err(ErrorKind::Interrupted.into());
                }
                done(all.len());
            }
            if interrupted.load(Ordering::Relaxed) { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
        };
        let result = self.script(model, runs, &mut hear);
        let rest = frames.rest();
        if interrupted.load(Ordering::Relaxed) {
            return Err(CommandError::Interrupted);
        }
        let program = || self.command.words().first().cloned().unwrap_or_default();
        if let Some(failed) = all.iter().find(|run| run.status != 0) {
            return Err(failure(program(), failed, self.command.deadline_seconds));
        }
        let output = result?;
        match output.status {
            0 if all.len() as u64 >= wanted => Ok(()),
            script::NO_PROGRAM => Err(CommandError::NoProgram(program())),
            script::BUSY => Err(LinkError::InUse { owner: holder(&rest), seconds: None }.into()),
            script::CUT => Err(LinkError::Lost("the model was cut off on its way".to_owned()).into()),
            script::NO_FOLDER => Err(LinkError::Board { step: Step::WorkFolder, problem: complaint(&output) }.into()),
            _ => Err(LinkError::Lost(format!("the command's script ended: {}", complaint(&output))).into()),
        }
    }

    /// Runs the script where the device is.
    fn script(
        &mut self,
        model: &CommandModel,
        runs: u32,
        hear: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>,
    ) -> Result<Output, LinkError> {
        let name = format!("command-{}", this_run().token);
        let plain = !model.ending.is_empty() && model.ending.chars().all(|c| c.is_ascii_alphanumeric());
        let file_name = if plain { format!("model.{}", model.ending) } else { "model".to_owned() };
        let (folder, lock, owner) = match &self.remote {
            Some(remote) => {
                let lock = if self.file.exclusive { format!("{}/lock", remote.folder) } else { String::new() };
                (format!("{}/{name}", remote.folder), lock, this_run().words)
            }
            None => {
                let folder = env_path("TMPDIR").unwrap_or_else(|| "/tmp".into()).join(format!("nasprof-{name}"));
                (folder.to_string_lossy().into_owned(), String::new(), String::new())
            }
        };
        let path = match &model.path {
            Some(path) if self.remote.is_none() => path.to_string_lossy().into_owned(),
            _ => format!("{folder}/{file_name}"),
        };
        let input = &model.bytes[..];
        let values = BTreeMap::from([
            ("model", path),
            ("profile", format!("{folder}/run/profile")),
            ("times", format!("{folder}/run/times")),
            ("cache", format!("{folder}/cache")),
            ("runs", self.command.runs.to_string()),
            ("threads", self.file.threads.to_string()),
        ]);
        let filled = self.command.filled(&values);
        let owner = serde_json::json!({"token": "", "owner": owner, "pid": 0}).to_string();
        let numbers = [input.len() as u64, u64::from(runs), self.command.deadline_seconds, MAX_PRINTED, MAX_FILE];
        let numbers = numbers.map(|number| number.to_string());
        let mut arguments = vec![folder.as_str(), &file_name];
        arguments.extend(numbers.iter().map(String::as_str));
        arguments.extend([lock.as_str(), &owner]);
        arguments.extend(filled.iter().map(String::as_str));
        let Some(remote) = &mut self.remote else {
            return local::run(&arguments, input, hear)
                .map_err(|e| LinkError::Board { step: Step::Command, problem: e.to_string() });
        };
        let silence = Duration::from_secs(self.file.silence_seconds);
        let connection =
            remote.connection.as_ref().ok_or_else(|| LinkError::Lost("there is no connection".to_owned()))?;
        let result = connection.run_heard(script::RUN, &arguments, input, silence, hear);
        if result.is_err() {
            // The board's end of it tidies up when the connection is closed.
            remote.connection = None;
        }
        result
    }

    /// Connects, unless that is done, and looks at the device.
    fn reach(&mut self, tell: &mut dyn FnMut(Milestone)) -> Result<(), LinkError> {
        if let Some(remote) = &mut self.remote
            && remote.connection.is_none()
        {
            let connection = Connection::open(&remote.endpoint, &mut remote.credentials)?;
            tell(Milestone::LoggedIn {
                address: remote.endpoint.shown(),
                fingerprint: connection.fingerprint.clone(),
                user: remote.endpoint.user.clone(),
            });
            let survey = survey(&connection, &self.file)?;
            tell(Milestone::Surveyed {
                architecture: survey.architecture.clone(),
                folder: survey.folder.clone(),
                free_bytes: survey.free_bytes,
            });
            remote.folder.clone_from(&survey.folder);
            self.facts.insert("architecture".to_owned(), survey.architecture);
            remote.connection = Some(connection);
        } else if self.remote.is_none() {
            self.facts.insert("architecture".to_owned(), std::env::consts::ARCH.to_owned());
        }
        self.facts.insert("command".to_owned(), self.command.words().join(" "));
        self.facts.insert("threads".to_owned(), self.file.threads.to_string());
        if let Some(mode) = PowerMode::of(&self.file) {
            let output = match self.remote.as_ref().and_then(|remote| remote.connection.as_ref()) {
                Some(connection) => {
                    let output = connection.run("exec 2>&1; eval \"$1\"", &[&mode.command], b"")?;
                    (output.status, output.text)
                }
                None => run_here(&mode.command)?,
            };
            self.facts.extend(mode.fact(output)?);
        }
        Ok(())
    }
}

/// Why a run failed.
fn failure(program: String, run: &CommandRun, seconds: u64) -> CommandError {
    let printed = String::from_utf8_lossy(&run.printed);
    let last = printed.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let words = words(last.trim());
    if run.late {
        CommandError::Deadline { program, seconds, words }
    } else if run.printed.len() as u64 >= MAX_PRINTED {
        CommandError::Printed { program, most: MAX_PRINTED }
    } else {
        CommandError::Failed { program, status: run.status, words }
    }
}

/// What the script complained of.
fn complaint(output: &Output) -> String {
    let lines = output.errors.lines().rev().map(|line| line.trim_start_matches('.').trim());
    let last = lines.into_iter().find(|line| !line.is_empty());
    last.map_or_else(|| format!("exit code {}", output.status), words)
}

/// Who has the lock, by what its file says.
fn holder(text: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(text.trim()).ok();
    let owner = value.as_ref().and_then(|value| value.get("owner")?.as_str()).filter(|owner| !owner.is_empty());
    words(owner.unwrap_or("someone"))
}
