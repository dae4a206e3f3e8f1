//! Errors of reaching and using a device.

use std::fmt;
use std::path::{Path, PathBuf};

use nasprof_profiler::protocol::{DeviceError, ProtocolError};
use thiserror::Error;

/// An error on the way to a device, with the data that a message needs to suggest a fix.
#[derive(Debug, Error)]
pub enum LinkError {
    /// No connection.
    #[error("cannot connect to {address}: {problem}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// Why.
        problem: String,
    },
    /// A connection that ended or stalled before the SSH handshake was over. The server is busy or just starting, the link
    /// was cut, or the program is not an SSH server.
    #[error("the connection to {address} ended during the SSH handshake: {problem}")]
    Handshake {
        /// Host and port.
        address: String,
        /// Why.
        problem: String,
    },
    /// A host whose key nobody has confirmed.
    #[error("unknown host key of {name}: {kind} {fingerprint}{}", certificates(.certified))]
    UnknownHostKey {
        /// As known-hosts files name it.
        name: String,
        /// Kind of key.
        kind: String,
        /// `SHA256:…`, as `ssh-keygen -l` prints it.
        fingerprint: String,
        /// The line to add to a known-hosts file.
        line: String,
        /// The file to add it to.
        file: Box<Path>,
        /// Whether a certificate authority is known for the host; certificates are not supported.
        certified: bool,
    },
    /// A host with another key than the known one. Never accepted.
    #[error("the host key of {name} has CHANGED to {kind} {fingerprint}; {file} has another key")]
    ChangedHostKey {
        /// As known-hosts files name it.
        name: String,
        /// Kind of key.
        kind: String,
        /// `SHA256:…` of the key shown.
        fingerprint: String,
        /// The files that may contain the known key.
        file: String,
    },
    /// A host key that is marked as revoked.
    #[error("the host key of {name} is revoked: {fingerprint}")]
    RevokedHostKey {
        /// As known-hosts files name it.
        name: String,
        /// `SHA256:…` of the key.
        fingerprint: String,
    },
    /// No key was accepted.
    #[error("{user}@{host} refuses the login; tried: {tried}")]
    Login {
        /// The account.
        user: String,
        /// The board.
        host: String,
        /// The methods that were tried, and their results.
        tried: String,
    },
    /// A private key that cannot be read.
    #[error("private key {path}: {problem}")]
    Key {
        /// The key's file.
        path: String,
        /// Why.
        problem: String,
    },
    /// The SSH client's configuration uses an unsupported option, or cannot be read.
    #[error("SSH configuration of {host}: {problem}")]
    Configuration {
        /// The host as requested.
        host: String,
        /// What is wrong.
        problem: String,
    },
    /// This machine has no agent for the board.
    #[error("no agent for {architecture}: {looked} is missing")]
    NoAgent {
        /// The board's architecture.
        architecture: String,
        /// The searched paths.
        looked: String,
    },
    /// A program that cannot be this board's agent.
    #[error("agent {path}: {problem}")]
    WrongAgent {
        /// The program.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Neither the board nor this machine has ONNX Runtime for the board.
    #[error(
        "no ONNX Runtime for {architecture}, neither on the board nor in this machine's cache; on the board: {problem}"
    )]
    NoLibrary {
        /// The board's architecture.
        architecture: String,
        /// The message of the board's agent.
        problem: String,
    },
    /// A library of this machine that does not fit the board.
    #[error("library {path}: {problem}")]
    WrongLibrary {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A step failed on the board.
    #[error("on the board: {step}: {problem}")]
    Board {
        /// What was being done.
        step: Step,
        /// The board's message.
        problem: String,
    },
    /// Another run measures on the board.
    #[error("the board is in use by {owner}{}", since(.seconds))]
    InUse {
        /// The other run, in words.
        owner: String,
        /// For how long, in seconds, if known.
        seconds: Option<u64>,
    },
    /// Agent and host have different versions or protocols.
    #[error("version mismatch: the agent has version {agent}, nasprof has {host}")]
    Version {
        /// Version and protocol of the agent.
        agent: String,
        /// Version and protocol of this program.
        host: String,
    },
    /// Clocks that a measurement left changed cannot be restored, or no copy of the clocks can be stored.
    #[error("the copy of the device's clocks in {copy} {what}: {problem}")]
    Clocks {
        /// What was being done.
        what: ClockStep,
        /// The file of the host's copy.
        copy: PathBuf,
        /// Why.
        problem: String,
    },
    /// The board's power mode is not the one that the device file requires.
    #[error("the power mode is `{now}`, but the device file requires `{wanted}`")]
    PowerMode {
        /// As observed.
        now: String,
        /// As required.
        wanted: String,
    },
    /// The link broke.
    #[error("link lost: {0}")]
    Lost(String),
    /// The agent or its supervisor breaks the protocol.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

/// A step on a device, for messages and hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Creating the work folder on a board.
    WorkFolder,
    /// Uploading the agent.
    Upload,
    /// Uploading a library.
    UploadLibrary,
    /// Uploading a model, or values of its inputs.
    UploadModel,
    /// Starting the agent on the board.
    Start,
    /// Running a command of the device file.
    Command,
    /// Reading the power mode by a command of the device file.
    PowerMode,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WorkFolder => "create the work folder",
            Self::Upload => "upload the agent",
            Self::UploadLibrary => "upload the library",
            Self::UploadModel => "upload the model",
            Self::Start => "start the agent",
            Self::Command => "run a command",
            Self::PowerMode => "read the power mode",
        })
    }
}

/// A step with the host's copy of the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockStep {
    /// Storing it, before the clocks are locked.
    Keep,
    /// Reading it.
    Read,
    /// Restoring the device's clocks from it.
    Restore,
}

impl fmt::Display for ClockStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keep => "cannot be stored",
            Self::Read => "cannot be read",
            Self::Restore => "cannot be restored",
        })
    }
}

impl LinkError {
    /// The other side broke the protocol. The caller adds the agent's name ([`LinkError::of_agent`]).
    pub(crate) fn protocol(problem: impl Into<String>) -> Self {
        Self::Protocol(ProtocolError { agent: "of the board".to_owned(), problem: problem.into() })
    }

    /// Names the agent that broke the protocol.
    pub(crate) fn of_agent(self, agent: &str) -> Self {
        match self {
            Self::Protocol(error) => Self::Protocol(ProtocolError { agent: agent.to_owned(), ..error }),
            other => other,
        }
    }

    /// Whether the error may go away by itself, so that a retry makes sense.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Handshake { .. } | Self::InUse { .. } | Self::Lost(_))
    }
}

fn certificates(certified: &bool) -> &'static str {
    if *certified {
        " (a certificate authority is known for this host, but certificates are not supported)"
    } else {
        ""
    }
}

fn since(seconds: &Option<u64>) -> String {
    seconds.map_or_else(String::new, |s| match s {
        0..120 => format!(" for {s} s"),
        120..7200 => format!(" for {} min", s / 60),
        _ => format!(" for {} h", s / 3600),
    })
}

/// For the engine, which does not know links.
impl From<LinkError> for DeviceError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Protocol(error) => Self::Protocol(error),
            LinkError::PowerMode { .. } => Self::ContextChanged(error.to_string()),
            transient if transient.is_transient() => Self::Lost(transient.to_string()),
            lasting => Self::Refused(lasting.to_string()),
        }
    }
}

/// A lost connection.
pub(crate) fn lost(error: impl std::fmt::Display) -> LinkError {
    LinkError::Lost(error.to_string())
}
