//! A connection to a device, which is established again after it was lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nasprof_profiler::protocol::Device;
use nasprof_profiler::protocol::checked::Checked;

use crate::agent::{Additions, AgentClient, Pipe};
use crate::board::{Library, LibraryOrigin, Owner, Supervisor, Upload, install, provide, put_all, survey};
use crate::clock_copy::ClockCopy;
use crate::error::LinkError;
use crate::file::{DeviceFile, Transport};
use crate::local::{LocalPipe, run_here};
use crate::pauses::{Clock, Pauses, SystemClock};
use crate::power_mode::PowerMode;
use crate::programs::Programs;
use crate::ssh::{AskPassphrase, Connection, Credentials, Endpoint};

/// How long a shell command of a device file may take.
const COMMAND: Duration = Duration::from_secs(60);
/// How long an agent may take to end.
const FAREWELL: Duration = Duration::from_secs(10);

/// A device within reach.
pub struct Link {
    file: DeviceFile,
    programs: Programs,
    /// Folder of the copies of clocks.
    copies: Option<PathBuf>,
    remote: Option<Remote>,
    locks_clocks: bool,
    remarks: Vec<String>,
}

/// A step on the way to a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Milestone {
    /// The connection ended before the handshake was over, and is made again.
    TryingAgain {
        /// What happened.
        problem: String,
        /// After which pause.
        pause: Duration,
    },
    /// It is who it says it is, and knows who we are.
    LoggedIn {
        /// Host and port.
        address: String,
        /// `SHA256:…` of its key.
        fingerprint: String,
        /// The account.
        user: String,
    },
    /// It said what it is.
    Surveyed {
        /// As Rust names it.
        architecture: String,
        /// The work folder, absolute.
        folder: String,
        /// Free bytes there, where it tells.
        free_bytes: Option<u64>,
    },
    /// It has an agent.
    Installed {
        /// Its file.
        agent: String,
        /// Whether it was put there just now.
        uploaded: bool,
    },
    /// It has the library that the agent's back end loads.
    Library {
        /// Its file.
        library: String,
        /// How it came there.
        origin: LibraryOrigin,
    },
    /// The agent's supervisor runs and holds the board.
    Taken {
        /// Processors.
        cores: usize,
        /// Whether nobody else can take it.
        exclusive: bool,
    },
}

struct Remote {
    endpoint: Endpoint,
    credentials: Credentials,
    owner: Owner,
    /// Nothing after the link was lost, until it is mended.
    supervisor: Shared,
    cores: usize,
    /// `SHA256:…` of its key.
    fingerprint: String,
    uploads: Vec<Upload>,
    /// Where those are on the board.
    uploaded: Vec<String>,
}

/// Shared with the one agent that runs.
type Shared = Arc<Mutex<Option<Supervisor>>>;

impl Link {
    /// Reaches a device. A board is logged in to, gets its agent, and is taken for this run; `tell` hears of each step. A
    /// connection that ends before the handshake is over is made again, for as long as the device file goes on trying to
    /// reach a lost device.
    /// `copies` is this machine's folder for copies of clocks; without one no clocks are locked. A board gets the files of
    /// `uploads`; a device with this machine's files does not need them.
    ///
    /// # Errors
    /// Whatever stands in the way; see [`LinkError`].
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
            let endpoint = Endpoint::of(file)?;
            let mut remote = Remote {
                endpoint,
                credentials: Credentials::new(ask),
                owner: this_run(),
                supervisor: Shared::default(),
                cores: 1,
                fingerprint: String::new(),
                uploads,
                uploaded: Vec::new(),
            };
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

    /// Processors that the device has.
    #[must_use]
    pub fn cores(&self) -> usize {
        let here = || std::thread::available_parallelism().map_or(1, usize::from);
        self.remote.as_ref().map_or_else(here, |remote| remote.cores)
    }

    /// Where the uploaded files are on the board, in their order; nothing on a device with this machine's files.
    #[must_use]
    pub fn uploaded(&self) -> &[String] {
        self.remote.as_ref().map_or(&[], |remote| &remote.uploaded)
    }

    /// Agents from now on will lock the clocks: a power mode other than the wanted one is refused only if it is still
    /// there then.
    #[must_use]
    pub fn locking_clocks(self, locks_clocks: bool) -> Self {
        Self { locks_clocks, ..self }
    }

    /// What was done to the device beside what was asked for; each once.
    pub fn remarks(&mut self) -> Vec<String> {
        std::mem::take(&mut self.remarks)
    }

    /// A fresh agent with a back end; a lost board is reached again first. Clocks that an earlier measurement left
    /// changed are restored.
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

    /// Runs a shell command on the device while no agent runs there: exit code and output, errors included.
    fn run(&mut self, command: &str) -> Result<(i32, String), LinkError> {
        match &mut self.remote {
            None => run_here(command),
            Some(remote) => {
                remote.reach(&self.file, &self.programs, &mut |_| {})?;
                with(&remote.supervisor, |supervisor| supervisor.run(command, COMMAND))
            }
        }
    }

    /// The power mode, if it shows. One that locking the clocks may set is not refused yet.
    fn power_mode(&mut self) -> Result<BTreeMap<String, String>, LinkError> {
        let Some(mode) = PowerMode::of(&self.file) else { return Ok(BTreeMap::new()) };
        let output = self.run(&mode.command)?;
        match mode.fact(output) {
            Err(LinkError::PowerMode { .. }) if self.locks_clocks => Ok(BTreeMap::new()),
            fact => fact,
        }
    }

    /// The host's copy of the clocks of this very device: a board is known by its key and address, so that a copied
    /// card in another board is not taken for it.
    fn clock_copy(&self) -> Option<ClockCopy> {
        let identity = match &self.remote {
            None => format!("local-{}", host_name()),
            Some(remote) => format!("{}-{}", remote.endpoint.shown(), remote.fingerprint),
        };
        Some(ClockCopy::of(self.copies.as_deref()?, &identity))
    }
}

impl Remote {
    /// Where its agent runs, in words.
    fn shown(&self) -> String {
        format!("on {}", self.endpoint.shown())
    }

    /// As [`Remote::reach`], again and again while connections end before their handshake is over: a server that is busy or
    /// still starting takes the next one.
    fn reach_within(
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

    /// Connects and starts a supervisor, unless one is there.
    fn reach(
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

/// An agent on a board.
struct RemotePipe {
    supervisor: Shared,
    /// Whether it is known to have ended.
    ended: bool,
}

impl RemotePipe {
    fn start(supervisor: &Shared) -> Result<Self, LinkError> {
        with(supervisor, Supervisor::start_agent)?;
        Ok(Self { supervisor: Arc::clone(supervisor), ended: false })
    }
}

impl Pipe for RemotePipe {
    fn run(&mut self, command: &str) -> Result<(i32, String), LinkError> {
        with(&self.supervisor, |supervisor| supervisor.run(command, COMMAND))
    }

    fn send(&mut self, line: &str) -> Result<(), LinkError> {
        with(&self.supervisor, |supervisor| supervisor.send(line))
    }

    fn receive(&mut self, patience: Duration) -> Result<String, LinkError> {
        match with(&self.supervisor, |supervisor| supervisor.receive(patience))? {
            Ok(line) => Ok(line),
            Err(how) => {
                self.ended = true;
                Err(LinkError::Lost(format!("the agent ended ({how})")))
            }
        }
    }
}

impl Drop for RemotePipe {
    fn drop(&mut self) {
        if !self.ended {
            // A lost link has left the supervisor to end by itself.
            let _ = with(&self.supervisor, |supervisor| supervisor.stop_agent(FAREWELL));
        }
    }
}

fn locked(supervisor: &Shared) -> MutexGuard<'_, Option<Supervisor>> {
    supervisor.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Uses the supervisor; one that fails is given up, so that the next use reaches the board anew.
fn with<T>(supervisor: &Shared, use_it: impl FnOnce(&mut Supervisor) -> Result<T, LinkError>) -> Result<T, LinkError> {
    let mut slot = locked(supervisor);
    let supervisor = slot.as_mut().ok_or_else(|| LinkError::Lost("there is no connection".to_owned()))?;
    let result = use_it(supervisor);
    if result.is_err() {
        *slot = None;
    }
    result
}

/// Names this run to other users of a board.
pub(crate) fn this_run() -> Owner {
    let host = host_name();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    let user = user.map_or_else(|| "someone".to_owned(), |user| user.name);
    let words = format!("{user}@{host}, process {}", std::process::id());
    let random = std::fs::read(Path::new("/proc/sys/kernel/random/uuid")).unwrap_or_default();
    let token = format!("{}-{}", std::process::id(), String::from_utf8_lossy(&random).trim());
    Owner { token, words }
}

fn host_name() -> String {
    nix::unistd::gethostname().map_or_else(|_| "a host".to_owned(), |h| h.to_string_lossy().into_owned())
}
