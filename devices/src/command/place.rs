//! Where a command runs: on this machine, or on a board over a connection that is re-established after a loss.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use nasprof_base::env_path::env_path;

use super::local;
use super::model::CommandModel;
use super::script::{self, MAX_FILE, MAX_PRINTED};
use crate::board::survey;
use crate::error::{LinkError, Step};
use crate::file::{CommandTable, DeviceFile, Transport};
use crate::link::{Milestone, this_run};
use crate::local::run_here;
use crate::power_mode::PowerMode;
use crate::ssh::{AskPassphrase, Connection, Credentials, Endpoint, Output};

/// The device on which the script runs.
pub(super) struct Place {
    remote: Option<Remote>,
    /// Facts about the device and its command.
    pub(super) facts: BTreeMap<String, String>,
}

struct Remote {
    endpoint: Endpoint,
    credentials: Credentials,
    /// `None` after a lost link, until it is re-established.
    connection: Option<Connection>,
    /// The work folder, absolute.
    folder: String,
}

impl Place {
    /// The place in a device file; does not connect yet.
    pub(super) fn of(file: &DeviceFile, ask: AskPassphrase) -> Result<Self, LinkError> {
        let remote = match file.transport {
            Transport::Local => None,
            Transport::Ssh => Some(Remote {
                endpoint: Endpoint::of(file)?,
                credentials: Credentials::new(ask),
                connection: None,
                folder: String::new(),
            }),
        };
        Ok(Self { remote, facts: BTreeMap::new() })
    }

    /// Whether it is a board, with files of its own.
    pub(super) fn is_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// Runs the script on the device.
    pub(super) fn run(
        &mut self,
        file: &DeviceFile,
        command: &CommandTable,
        model: &CommandModel,
        runs: u32,
        hear: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>,
    ) -> Result<Output, LinkError> {
        let name = format!("command-{}", this_run().token);
        let file_name = model.file_name();
        let (folder, lock, owner) = match &self.remote {
            Some(remote) => {
                let lock = if file.exclusive { format!("{}/lock", remote.folder) } else { String::new() };
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
            ("runs", command.runs.to_string()),
            ("threads", file.threads.to_string()),
        ]);
        let filled = command.filled(&values);
        let owner = serde_json::json!({"token": "", "owner": owner, "pid": 0}).to_string();
        let numbers = [input.len() as u64, u64::from(runs), command.deadline_seconds, MAX_PRINTED, MAX_FILE];
        let numbers = numbers.map(|number| number.to_string());
        let mut arguments = vec![folder.as_str(), &file_name];
        arguments.extend(numbers.iter().map(String::as_str));
        arguments.extend([lock.as_str(), &owner]);
        arguments.extend(filled.iter().map(String::as_str));
        let Some(remote) = &mut self.remote else {
            return local::run(&arguments, input, hear)
                .map_err(|e| LinkError::Board { step: Step::Command, problem: e.to_string() });
        };
        let silence = Duration::from_secs(file.silence_seconds);
        let connection =
            remote.connection.as_ref().ok_or_else(|| LinkError::Lost("there is no connection".to_owned()))?;
        let result = connection.run_heard(script::RUN, &arguments, input, silence, hear);
        if result.is_err() {
            // The script on the board cleans up when the connection is closed.
            remote.connection = None;
        }
        result
    }

    /// Connects if necessary, and collects the device's facts.
    pub(super) fn reach(
        &mut self,
        file: &DeviceFile,
        command: &CommandTable,
        tell: &mut dyn FnMut(Milestone),
    ) -> Result<(), LinkError> {
        if let Some(remote) = &mut self.remote
            && remote.connection.is_none()
        {
            let connection = Connection::open(&remote.endpoint, &mut remote.credentials)?;
            tell(Milestone::LoggedIn {
                address: remote.endpoint.shown(),
                fingerprint: connection.fingerprint.clone(),
                user: remote.endpoint.user.clone(),
            });
            let survey = survey(&connection, file)?;
            tell(Milestone::Surveyed {
                architecture: survey.architecture.clone(),
                folder: survey.folder.clone(),
                free_bytes: survey.free_bytes,
            });
            remote.folder.clone_from(&survey.folder);
            self.facts.insert("architecture".to_owned(), survey.architecture);
            if file.exclusive && !survey.has_flock {
                let problem = "no: the board has no flock, so two measurements at once are not kept apart";
                self.facts.insert("exclusive".to_owned(), problem.to_owned());
            }
            remote.connection = Some(connection);
        } else if self.remote.is_none() {
            self.facts.insert("architecture".to_owned(), std::env::consts::ARCH.to_owned());
        }
        self.facts.insert("command".to_owned(), command.words().join(" "));
        self.facts.insert("threads".to_owned(), file.threads.to_string());
        if let Some(mode) = PowerMode::of(file) {
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
