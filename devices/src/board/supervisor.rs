//! The supervisor on a board: it holds the board's lock and starts agents.

use std::time::Duration;

use nasprof_profiler::protocol::bounds::MAX_CORES;
use nasprof_profiler::protocol::{ALIVE, MARK, Notice, Order};

use super::{Owner, scripts};
use crate::agent::check_version;
use crate::error::{LinkError, Step};
use crate::file::DeviceFile;
use crate::ssh::{Connection, Stream};
use crate::words::start;

/// Maximum number of lines that a login shell may print before the supervisor's first line.
const MAX_NOISE_LINES: usize = 100;
/// Maximum wait for the supervisor's first line: a board may first have to load libtorch from a slow card.
const GREETING: Duration = Duration::from_secs(120);

/// The supervisor on a board.
pub(crate) struct Supervisor {
    stream: Stream,
    /// Number of processors of the board.
    pub(crate) cores: usize,
    /// Number of the last command.
    commands: u64,
}

impl Supervisor {
    /// Starts the supervisor, with ONNX Runtime from `library` if that was uploaded. If the device file has `exclusive`,
    /// takes the board for `owner`.
    pub(crate) fn start(
        connection: Connection,
        file: &DeviceFile,
        agent: &str,
        library: Option<&str>,
        owner: &Owner,
    ) -> Result<Self, LinkError> {
        let libraries: Vec<&str> =
            [&file.libtorch, &file.onnxruntime].into_iter().flatten().map(String::as_str).collect();
        let libraries = libraries.join(":");
        let mut arguments = vec![file.work_folder.as_str(), agent, &libraries, library.unwrap_or_default()];
        if file.exclusive {
            arguments.extend(["lock", &owner.token, &owner.words]);
        }
        let silence = Duration::from_secs(file.silence_seconds);
        let mut stream = Stream::start(connection, scripts::SUPERVISE, &arguments, ALIVE.to_owned(), silence)?;
        for _ in 0..MAX_NOISE_LINES {
            let line = match stream.receive(GREETING) {
                Err(LinkError::Lost(problem)) => return Err(LinkError::Board { step: Step::Start, problem }),
                line => line?,
            };
            if !line.starts_with(MARK) {
                continue;
            }
            return match notice(&line)? {
                Notice::Ready { protocol, version, cores } => {
                    check_version(protocol, &version)?;
                    if cores > MAX_CORES {
                        return Err(LinkError::protocol(format!("cores is {cores}, at most {MAX_CORES} is possible")));
                    }
                    Ok(Self { stream, cores: cores.max(1), commands: 0 })
                }
                Notice::InUse { owner, seconds } => Err(LinkError::InUse { owner: start(&owner), seconds }),
                other => Err(unexpected(&other)),
            };
        }
        Err(LinkError::protocol("unexpected output instead of a greeting"))
    }

    /// Starts a fresh agent.
    pub(crate) fn start_agent(&mut self) -> Result<(), LinkError> {
        self.order(&Order::Start)
    }

    /// Ends the agent and waits until it has ended.
    pub(crate) fn stop_agent(&mut self, patience: Duration) -> Result<(), LinkError> {
        self.order(&Order::Stop)?;
        loop {
            let line = self.stream.receive(patience)?;
            // The agent's remaining lines are skipped.
            if line.starts_with(MARK) {
                return match notice(&line)? {
                    Notice::Ended { .. } | Notice::Failed { .. } => Ok(()),
                    other => Err(unexpected(&other)),
                };
            }
        }
    }

    pub(crate) fn send(&mut self, line: &str) -> Result<(), LinkError> {
        self.stream.send(line)
    }

    /// The agent's next line, or how it ended.
    pub(crate) fn receive(&mut self, patience: Duration) -> Result<Result<String, String>, LinkError> {
        let line = self.stream.receive(patience)?;
        if !line.starts_with(MARK) {
            return Ok(Ok(line));
        }
        match notice(&line)? {
            Notice::Ended { status, words } => {
                let words = if words.is_empty() { words } else { format!(": {words}") };
                Ok(Err(start(&format!("{status}{words}"))))
            }
            Notice::Failed { error } => Err(LinkError::Board { step: Step::Start, problem: start(&error) }),
            other => Err(unexpected(&other)),
        }
    }

    /// Runs a shell command and returns its exit code and output. No agent may be running.
    pub(crate) fn run(&mut self, command: &str, patience: Duration) -> Result<(i32, String), LinkError> {
        self.commands += 1;
        self.order(&Order::Run { number: self.commands, command: command.to_owned() })?;
        match notice(&self.stream.receive(patience)?)? {
            Notice::Ran { number, status, output } if number == self.commands => Ok((status.unwrap_or(255), output)),
            Notice::Failed { error } => Err(LinkError::Board { step: Step::Command, problem: start(&error) }),
            other => Err(unexpected(&other)),
        }
    }

    fn order(&mut self, order: &Order) -> Result<(), LinkError> {
        let line = serde_json::to_string(order).map_err(|e| LinkError::protocol(e.to_string()))?;
        self.stream.send(&line)
    }
}

fn notice(line: &str) -> Result<Notice, LinkError> {
    serde_json::from_str(line).map_err(|e| LinkError::protocol(format!("cannot read its line `{}`: {e}", start(line))))
}

fn unexpected(notice: &Notice) -> LinkError {
    LinkError::protocol(format!("unexpected notice {}", start(&format!("{notice:?}"))))
}
