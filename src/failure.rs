//! What goes wrong, with its exit code and a hint.

use std::fmt;

use nasprof_devices::{DeviceFileError, LinkError};
use nasprof_graph::arch::ArchError;
use nasprof_graph::passes::SelectError;
use nasprof_lut::{LutError, MergeError, ShareError};
use nasprof_onnx::OnnxError;
use nasprof_profiler::engine::EngineError;
use nasprof_profiler::journal::JournalError;
use nasprof_profiler::protocol::DeviceError;
use nasprof_render::RenderError;
use nasprof_reports::ReportError;
use nasprof_search::config::ConfigError;
use nasprof_search::evolution::RunError;
use nasprof_spaces::SpaceError;

/// Exit codes of the program; part of its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// A fault of the program or its surroundings.
    Internal = 1,
    /// Usage or bad input.
    Usage = 2,
    /// Measured, but some rows did not converge.
    NotConverged = 3,
    /// The machine was too noisy to be measured.
    Noisy = 4,
    /// The device was lost, or the run was interrupted; it can be resumed.
    DeviceLost = 5,
    /// The context is another one.
    ContextChanged = 6,
    /// The agent broke the protocol.
    BrokenAgent = 7,
}

/// An error as the user sees it: one line that names what is wrong, then a hint.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string(), hint: None }
    }

    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Internal, message: message.to_string(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Two failures as one; the first decides the exit code.
    pub(crate) fn and(mut self, another: Self) -> Self {
        let hint = another.hint.map_or_else(String::new, |hint| format!("\nhint: {hint}"));
        let first_hint = self.hint.take().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
        self.message = format!("{}{first_hint}\nerror: {}{hint}", self.message, another.message);
        self
    }

    /// Puts what the message is about in front of it.
    pub(crate) fn about(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl From<SpaceError> for Failure {
    fn from(error: SpaceError) -> Self {
        Self::usage(error).hint("`nasprof space list` lists the spaces; a space can also be a TOML file")
    }
}

impl From<ArchError> for Failure {
    fn from(error: ArchError) -> Self {
        Self::usage(error).hint("`nasprof space sample SPACE -n 1` prints an architecture file")
    }
}

impl From<SelectError> for Failure {
    fn from(error: SelectError) -> Self {
        Self::usage(error)
    }
}

impl From<OnnxError> for Failure {
    fn from(error: OnnxError) -> Self {
        let hint = match &error {
            OnnxError::Weights(_) | OnnxError::MissingTensor { .. } | OnnxError::WrongTensor { .. } => {
                "`nasprof train` writes weights.safetensors; --space and --arch must be those that were trained"
            }
            OnnxError::Operator { .. } | OnnxError::Node { .. } => "docs/onnx.md says what is read of a model",
            _ => return Self::usage(error),
        };
        Self::usage(error).hint(hint)
    }
}

impl From<DeviceFileError> for Failure {
    fn from(error: DeviceFileError) -> Self {
        Self::usage(error).hint("`nasprof devices list` lists the devices")
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Self {
        let exit = match &error {
            transient if transient.is_transient() => Exit::DeviceLost,
            LinkError::PowerMode { .. } => Exit::ContextChanged,
            LinkError::Protocol(_) => Exit::BrokenAgent,
            LinkError::Board { .. } | LinkError::Clocks { .. } => Exit::Internal,
            _ => Exit::Usage,
        };
        let hint = link_hint(&error);
        Self { exit, ..Self::usage(error) }.hint(hint)
    }
}

/// Nothing of a wrong answer is recorded, so a good agent can go on.
const BROKEN_AGENT: &str = "`nasprof devices check` looks at the agent; once it is mended, the same command with --resume \
    goes on: the wrong answer was not recorded";

/// How to mend what stands between us and a device.
pub(crate) fn link_hint(error: &LinkError) -> String {
    let text = match error {
        LinkError::Unreachable { .. } => "is it on, and are host and port of the device file right?",
        LinkError::UnknownHostKey { line, file, .. } => {
            return format!(
                "compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the board; if it is the same: \
                 echo '{line}' >> {}",
                file.display()
            );
        }
        LinkError::ChangedHostKey { name, .. } => {
            return format!(
                "another machine answers there, or somebody is in between; if the board was set up anew: \
                 ssh-keygen -R '{name}', then confirm the new key"
            );
        }
        LinkError::RevokedHostKey { .. } => "somebody may have that key; give the board a new one",
        LinkError::Login { user, .. } => {
            return format!("put your public key into ~{user}/.ssh/authorized_keys there, as `ssh-copy-id` does");
        }
        LinkError::Key { .. } => "identity_file in the device file names it; `ssh-add` unlocks it for all programs",
        LinkError::Configuration { .. } => "`ssh -G HOST` shows what the SSH client makes of it",
        LinkError::NoAgent { architecture, .. } => {
            return format!(
                "`make agent TARGET=…` builds one, `agent = PATH` in the device file names one, and `agent_on_board` \
                 one that was built on the board; architecture: {architecture}"
            );
        }
        LinkError::WrongAgent { .. } => {
            "`make build` builds one with libtorch for this machine, `make agent TARGET=…` a light one for a board"
        }
        LinkError::Board { problem, .. } if problem.contains("shared librar") => {
            "libtorch in the device file names the folder of libtorch_cpu.so on the board"
        }
        LinkError::Board { .. } => {
            "work_folder in the device file names the folder; `nasprof devices check` looks at it"
        }
        LinkError::InUse { .. } => "wait for the other run; the same command with --resume goes on",
        LinkError::Version { .. } => "remove agent_on_board from the device file, or build the agent anew there",
        LinkError::PowerMode { wanted, .. } => {
            return format!(
                "--lock-clocks sets it on a Jetson and restores it afterwards; by hand: `sudo nvpmodel -m NUMBER` there, \
                 with the number of {wanted} in /etc/nvpmodel.conf (it may want a reboot); or change power_mode"
            );
        }
        LinkError::Clocks { copy, .. } => {
            return format!("set the device's clocks as that file has them, then remove {}", copy.display());
        }
        LinkError::Lost(_) => "the same command with --resume goes on; what was measured is kept",
        LinkError::Protocol(_) => BROKEN_AGENT,
    };
    text.to_owned()
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let hint = match &error {
            JournalError::Damaged { .. } => "the journal was changed or damaged on disk; measure again into a new file",
            JournalError::Header(_) => "this is not a journal of nasprof, or one of another version",
            JournalError::InUse(_) => "wait for the other measurement, or write to another file with -o",
            JournalError::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "free some space, then go on with --resume; what was measured is kept"
            }
            JournalError::File { .. } => return Self::usage(error),
        };
        let exit = match &error {
            JournalError::File { .. } => Exit::Internal,
            _ => Exit::Usage,
        };
        Self { exit, ..Self::usage(error).hint(hint) }
    }
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Refused(_) => Self::usage(error),
            DeviceError::ContextChanged(_) => Self {
                exit: Exit::ContextChanged,
                ..Self::usage(error).hint("bring the device into that state, or change its device file")
            },
            DeviceError::Lost(_) => Self {
                exit: Exit::DeviceLost,
                ..Self::usage(error).hint("what was measured is kept; the same command with --resume goes on")
            },
            DeviceError::Protocol(_) => Self { exit: Exit::BrokenAgent, ..Self::usage(error).hint(BROKEN_AGENT) },
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Journal(error) => error.into(),
            EngineError::Device(error) => error.into(),
            EngineError::Interrupted => Self {
                exit: Exit::DeviceLost,
                message: "interrupted; what was measured is kept".to_owned(),
                hint: Some("the same command with --resume goes on".to_owned()),
            },
            EngineError::Noisy(_) => Self {
                exit: Exit::Noisy,
                ..Self::usage(error).hint("stop what else runs, or pass --allow-noisy, which stamps every row")
            },
            EngineError::ContextChanged(_) => Self {
                exit: Exit::ContextChanged,
                ..Self::usage(error).hint("measure this machine and mode into a LUT of its own")
            },
            EngineError::Replay(_) => Self::usage(error)
                .hint("the options must be those the journal was begun with; write to another file with -o"),
            EngineError::Plan(_) => Self::usage(error),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = error.hint();
        Self { hint, ..Self::usage(error) }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Config(error) => error.into(),
            RunError::File { .. } => Self::internal(error),
            _ => Self::usage(error),
        }
    }
}

impl From<LutError> for Failure {
    fn from(error: LutError) -> Self {
        let context = matches!(error, LutError::Context(_));
        let failure = Self::usage(error);
        if context {
            Self { exit: Exit::ContextChanged, ..failure }.hint("a LUT holds for one context only; measure another one")
        } else {
            failure
        }
    }
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        let failure = Self::usage(&error);
        match error {
            MergeError::Context { .. } => Self { exit: Exit::ContextChanged, ..failure }
                .hint("a LUT holds for one context; `nasprof lut diff` compares those of two"),
            _ => failure,
        }
    }
}

impl From<ShareError> for Failure {
    fn from(error: ShareError) -> Self {
        let failure = Self::usage(&error);
        match error {
            ShareError::Lut(error) => error.into(),
            ShareError::Merge(error) => error.into(),
            ShareError::Disagree { .. } | ShareError::Runs { .. } => Self { exit: Exit::ContextChanged, ..failure }
                .hint("a LUT holds for boards that are alike; measure each into a LUT of its own, without --share"),
            ShareError::Unsteady { .. } => Self { exit: Exit::Noisy, ..failure }
                .hint("make them steadier (--lock-clocks, nothing else running), or measure more --sessions"),
            ShareError::Incomplete { .. } => failure.hint("the same `measure` command with --resume goes on with it"),
            _ => failure.hint("give the journals of all boards of one `measure --share`, each once"),
        }
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        Self::usage(error)
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        Self::usage(error)
    }
}
