//! The connection to a board, and its supervisor.

use std::time::Duration;

use super::milestone::Milestone;
use super::owner::this_run;
use super::pipe::{Shared, locked};
use crate::board::{Library, Owner, Supervisor, Upload, install, provide, put_all, survey};
use crate::error::LinkError;
use crate::file::DeviceFile;
use crate::pauses::{Clock, Pauses, SystemClock};
use crate::programs::Programs;
use crate::ssh::{AskPassphrase, Connection, Credentials, Endpoint};

/// A reachable board.
pub(super) struct Remote {
    pub(super) endpoint: Endpoint,
    credentials: Credentials,
    owner: Owner,
    /// `None` after a lost link, until it is re-established.
    pub(super) supervisor: Shared,
    pub(super) cores: usize,
    /// `SHA256:…` of its key.
    pub(super) fingerprint: String,
    uploads: Vec<Upload>,
    /// Paths of the uploads on the board.
    pub(super) uploaded: Vec<String>,
}

impl Remote {
    /// The board of a device file; does not connect yet.
    pub(super) fn new(file: &DeviceFile, uploads: Vec<Upload>, ask: AskPassphrase) -> Result<Self, LinkError> {
        Ok(Self {
            endpoint: Endpoint::of(file)?,
            credentials: Credentials::new(ask),
            owner: this_run(),
            supervisor: Shared::default(),
            cores: 1,
            fingerprint: String::new(),
            uploads,
            uploaded: Vec::new(),
        })
    }

    /// The location of its agent, in words.
    pub(super) fn shown(&self) -> String {
        format!("on {}", self.endpoint.shown())
    }

    /// Like [`Remote::reach`], but retries while connections end before the handshake is over: a server that is busy or
    /// still starting may accept a later one.
    pub(super) fn reach_within(
        &mut self,
        patience: Duration,
        file: &DeviceFile,
        programs: &Programs,
        tell: &mut dyn FnMut(Milestone),
    ) -> Result<(), LinkError> {
        let clock = SystemClock::new();
        let mut pauses = Pauses::within(patience, &clock);
        loop {
            match self.reach(file, programs, tell) {
                Err(error @ LinkError::Handshake { .. }) => {
                    let Some(pause) = pauses.next(&clock) else { return Err(error) };
                    tell(Milestone::TryingAgain { problem: error.to_string(), pause });
                    clock.sleep(pause);
                }
                result => return result,
            }
        }
    }

    /// Connects and starts a supervisor, unless one is running.
    pub(super) fn reach(
        &mut self,
        file: &DeviceFile,
        programs: &Programs,
        tell: &mut dyn FnMut(Milestone),
    ) -> Result<(), LinkError> {
        if locked(&self.supervisor).is_some() {
            return Ok(());
        }
        let connection = Connection::open(&self.endpoint, &mut self.credentials)?;
        tell(Milestone::LoggedIn {
            address: self.endpoint.shown(),
            fingerprint: connection.fingerprint.clone(),
            user: self.endpoint.user.clone(),
        });
        self.fingerprint.clone_from(&connection.fingerprint);
        let survey = survey(&connection, file)?;
        tell(Milestone::Surveyed {
            architecture: survey.architecture.clone(),
            folder: survey.folder.clone(),
            free_bytes: survey.free_bytes,
        });
        let agent = install(&connection, file, &survey, programs)?;
        tell(Milestone::Installed { agent: agent.path.clone(), uploaded: agent.uploaded });
        let library = provide(&connection, file, &survey, &agent.path)?;
        if let Some(Library { path, origin }) = &library {
            tell(Milestone::Library { library: path.clone(), origin: *origin });
        }
        self.uploaded = put_all(&connection, file, &survey, &self.uploads)?;
        let load = library.as_ref().and_then(Library::path_to_load);
        let supervisor = Supervisor::start(connection, file, &agent.path, load, &self.owner)?;
        self.cores = supervisor.cores;
        tell(Milestone::Taken { cores: self.cores, exclusive: file.exclusive });
        *locked(&self.supervisor) = Some(supervisor);
        Ok(())
    }
}
