//! The agent on a board, and the supervisor that it shares with the link.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::agent::Pipe;
use crate::board::Supervisor;
use crate::error::LinkError;

/// How long a shell command of a device file may take.
pub(super) const COMMAND: Duration = Duration::from_secs(60);
/// How long an agent may take to exit.
const FAREWELL: Duration = Duration::from_secs(10);

/// The supervisor, shared between the link and the running agent.
pub(super) type Shared = Arc<Mutex<Option<Supervisor>>>;

/// An agent on a board.
pub(super) struct RemotePipe {
    supervisor: Shared,
    /// Whether the agent is known to have ended.
    ended: bool,
}

impl RemotePipe {
    pub(super) fn start(supervisor: &Shared) -> Result<Self, LinkError> {
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
            // If the link is lost, the supervisor ends by itself.
            let _ = with(&self.supervisor, |supervisor| supervisor.stop_agent(FAREWELL));
        }
    }
}

pub(super) fn locked(supervisor: &Shared) -> MutexGuard<'_, Option<Supervisor>> {
    supervisor.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Uses the supervisor. After an error the supervisor is dropped, so that the next use reaches the board again.
pub(super) fn with<T>(
    supervisor: &Shared,
    use_it: impl FnOnce(&mut Supervisor) -> Result<T, LinkError>,
) -> Result<T, LinkError> {
    let mut slot = locked(supervisor);
    let supervisor = slot.as_mut().ok_or_else(|| LinkError::Lost("there is no connection".to_owned()))?;
    let result = use_it(supervisor);
    if result.is_err() {
        *slot = None;
    }
    result
}
