//! Devices that run a command instead of an agent: any program that measures a model and writes its results.
//!
//! The same script runs the command on this machine and on a board ([`script`]). It ends and cleans up whenever the link
//! ends, so a board needs only a shell.

mod error;
mod failure;
mod frames;
mod local;
mod model;
mod place;
mod script;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use self::error::CommandError;
pub use self::frames::{CommandRun, Fetched, Frames};
pub use self::model::CommandModel;
use self::place::Place;
use self::script::MAX_FILE;
use crate::error::LinkError;
use crate::file::{CommandTable, DeviceFile};
use crate::link::Milestone;
use crate::pauses::{Clock, Pauses, SystemClock};
use crate::ssh::AskPassphrase;

/// Interval of the checks whether the user wants to stop.
const STEP: Duration = Duration::from_millis(100);

/// A device that runs a command.
pub struct CommandDevice {
    file: DeviceFile,
    command: CommandTable,
    place: Place,
}

impl CommandDevice {
    /// Reaches a device whose file has this command; logs in if it is a board. `tell` is called at each step.
    ///
    /// # Errors
    /// If the device cannot be reached; see [`LinkError`].
    pub fn open(
        file: &DeviceFile,
        command: &CommandTable,
        ask: AskPassphrase,
        tell: &mut dyn FnMut(Milestone),
    ) -> Result<Self, LinkError> {
        let mut device = Self { file: file.clone(), command: command.clone(), place: Place::of(file, ask)? };
        let clock = SystemClock::new();
        let mut pauses = Pauses::within(file.reconnect(), &clock);
        loop {
            match device.place.reach(file, command, tell) {
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
        self.place.is_remote()
    }

    /// Facts about the device and its command.
    #[must_use]
    pub fn facts(&self) -> &BTreeMap<String, String> {
        &self.place.facts
    }

    /// Runs the command on a model `runs` times, each in a fresh process. After a lost link it continues with the remaining
    /// runs; `waiting` gets the reason and the pause. `done` gets the number of finished runs.
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

    /// Checks, without a model, that the program exists and that no other measurement holds the device.
    ///
    /// # Errors
    /// If the program does not exist, the device is in use, or it cannot be reached.
    pub fn check(&mut self, interrupted: &Arc<AtomicBool>) -> Result<(), CommandError> {
        let nothing = CommandModel { path: None, ending: String::new(), bytes: Vec::new() };
        self.attempt(&nothing, 0, interrupted, &mut Vec::new(), &mut |_| {})
    }

    /// Runs the script once. `all` gets the complete runs, even if the link is lost later.
    fn attempt(
        &mut self,
        model: &CommandModel,
        runs: u32,
        interrupted: &Arc<AtomicBool>,
        all: &mut Vec<CommandRun>,
        done: &mut dyn FnMut(usize),
    ) -> Result<(), CommandError> {
        self.place.reach(&self.file, &self.command, &mut |_| {})?;
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
        let result = self.place.run(&self.file, &self.command, model, runs, &mut hear);
        let rest = frames.rest();
        if interrupted.load(Ordering::Relaxed) {
            return Err(CommandError::Interrupted);
        }
        let program = || self.command.words().first().cloned().unwrap_or_default();
        if let Some(failed) = all.iter().find(|run| run.status != 0) {
            return Err(failure::of_run(program(), failed, self.command.deadline_seconds));
        }
        let output = result?;
        match output.status {
            0 if all.len() as u64 >= wanted => Ok(()),
            _ => Err(failure::of_script(&output, &rest, program())),
        }
    }
}
