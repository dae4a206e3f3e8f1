//! A connection to a device, which is re-established after a loss.

mod milestone;
mod owner;
mod pipe;
mod remote;

use std::collections::BTreeMap;
use std::path::PathBuf;

use nasprof_profiler::protocol::Device;
use nasprof_profiler::protocol::checked::Checked;

pub use self::milestone::Milestone;
use self::owner::host_name;
pub(crate) use self::owner::this_run;
use self::pipe::{COMMAND, RemotePipe, with};
use self::remote::Remote;
use crate::agent::{Additions, AgentClient, Pipe};
use crate::board::Upload;
use crate::clock_copy::ClockCopy;
use crate::error::LinkError;
use crate::file::{DeviceFile, Transport};
use crate::local::{LocalPipe, run_here};
use crate::power_mode::PowerMode;
use crate::programs::Programs;
use crate::ssh::AskPassphrase;

/// A reachable device.
pub struct Link {
    file: DeviceFile,
    programs: Programs,
    /// Folder for copies of clock settings.
    copies: Option<PathBuf>,
    remote: Option<Remote>,
    locks_clocks: bool,
    remarks: Vec<String>,
}

impl Link {
    /// Reaches a device. On a board: logs in, uploads the agent and `uploads`, and takes the board for this run. `tell` is
    /// called at each step. If a connection ends before the handshake is over, it is retried for as long as the device file
    /// allows for a lost device. `copies` is this machine's folder for copies of clock settings; without it no clocks are
    /// locked. Devices with this machine's files do not need `uploads`.
    ///
    /// # Errors
    /// If the device cannot be reached or used; see [`LinkError`].
    pub fn open(
        file: &DeviceFile,
        programs: Programs,
        copies: Option<PathBuf>,
        uploads: Vec<Upload>,
        ask: AskPassphrase,
        tell: &mut dyn FnMut(Milestone),
    ) -> Result<Self, LinkError> {
        let (locks_clocks, remarks) = (false, Vec::new());
        let mut link = Self { file: file.clone(), programs, copies, remote: None, locks_clocks, remarks };
        if file.transport == Transport::Ssh {
            let mut remote = Remote::new(file, uploads, ask)?;
            let reached = remote.reach_within(file.reconnect(), file, &link.programs, tell);
            link.remote = Some(remote);
            reached.map_err(|error| error.of_agent(&link.agent_name(&file.backend)))?;
        }
        Ok(link)
    }

    /// Whether it is a board, with files of its own.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// Number of processors of the device.
    #[must_use]
    pub fn cores(&self) -> usize {
        let here = || std::thread::available_parallelism().map_or(1, usize::from);
        self.remote.as_ref().map_or_else(here, |remote| remote.cores)
    }

    /// Paths of the uploaded files on the board, in the order of the uploads; empty for a device with this machine's files.
    #[must_use]
    pub fn uploaded(&self) -> &[String] {
        self.remote.as_ref().map_or(&[], |remote| &remote.uploaded)
    }

    /// States that later agents lock the clocks. Then a wrong power mode is refused only if it persists after the clocks are
    /// locked.
    #[must_use]
    pub fn locking_clocks(self, locks_clocks: bool) -> Self {
        Self { locks_clocks, ..self }
    }

    /// Unrequested actions on the device, for messages; each is returned once.
    pub fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// Starts a fresh agent with a back end; reaches a lost board again first. Restores clocks that an earlier measurement
    /// left changed.
    ///
    /// # Errors
    /// If the board cannot be reached, the agent does not start, or it has no such back end.
    pub fn agent(&mut self, backend: &str) -> Result<Box<dyn Device>, LinkError> {
        let name = self.agent_name(backend);
        self.start_agent(backend, &name).map_err(|error| error.of_agent(&name))
    }

    fn start_agent(&mut self, backend: &str, name: &str) -> Result<Box<dyn Device>, LinkError> {
        let facts = self.power_mode()?;
        let program = self.program(backend);
        let pipe: Box<dyn Pipe> = match &mut self.remote {
            None => {
                let libraries = [self.file.libtorch.as_deref(), self.file.onnxruntime.as_deref()];
                let libraries: Vec<&str> = libraries.into_iter().flatten().collect();
                Box::new(LocalPipe::spawn(&program, &libraries)?)
            }
            Some(remote) => {
                remote.reach(&self.file, &self.programs, &mut |_| {})?;
                Box::new(RemotePipe::start(&remote.supervisor)?)
            }
        };
        let additions = Additions {
            temperature_limit: self.file.temperature_limit,
            facts,
            clock_copy: self.clock_copy(),
            power_mode: PowerMode::of(&self.file),
        };
        let mut client = AgentClient::greet(pipe, additions, name)?;
        if client.restore_clocks()? {
            self.remarks.push("restored the clocks that an earlier measurement had left locked".to_owned());
        }
        let kind = backend.split(':').next().unwrap_or(backend);
        if client.backends().iter().any(|known| known == kind) {
            return Ok(Box::new(Checked::new(Box::new(client))));
        }
        let path = self.remote.as_ref().map_or_else(|| program.display().to_string(), Remote::shown);
        Err(LinkError::WrongAgent { path, problem: format!("has no back end `{kind}`") })
    }

    /// The agent's program on this machine.
    fn program(&self, backend: &str) -> PathBuf {
        self.file.agent.clone().unwrap_or_else(|| self.programs.here(backend))
    }

    /// Device and program, for messages.
    fn agent_name(&self, backend: &str) -> String {
        let here = || self.program(backend).display().to_string();
        let program = self.remote.as_ref().map_or_else(here, Remote::shown);
        format!("of `{}` ({program})", self.file.name)
    }

    /// Runs a shell command on the device while no agent runs there. Returns exit code and output, stderr included.
    fn run(&mut self, command: &str) -> Result<(i32, String), LinkError> {
        match &mut self.remote {
            None => run_here(command),
            Some(remote) => {
                remote.reach(&self.file, &self.programs, &mut |_| {})?;
                with(&remote.supervisor, |supervisor| supervisor.run(command, COMMAND))
            }
        }
    }

    /// The power mode, if it is observable. A wrong mode is not refused yet if locking the clocks may set it.
    fn power_mode(&mut self) -> Result<BTreeMap<String, String>, LinkError> {
        let Some(mode) = PowerMode::of(&self.file) else { return Ok(BTreeMap::new()) };
        let output = self.run(&mode.command)?;
        match mode.fact(output) {
            Err(LinkError::PowerMode { .. }) if self.locks_clocks => Ok(BTreeMap::new()),
            fact => fact,
        }
    }

    /// The host's copy of this device's clocks. A board is identified by its key and address, so that another board with a
    /// copied card is not mistaken for it.
    fn clock_copy(&self) -> Option<ClockCopy> {
        let identity = match &self.remote {
            None => format!("local-{}", host_name()),
            Some(remote) => format!("{}-{}", remote.endpoint.shown(), remote.fingerprint),
        };
        Some(ClockCopy::of(self.copies.as_deref()?, &identity))
    }
}
