//! Turns the libraries' errors into the messages that the user sees.

use std::{fmt, io};

use nasprof_devices::{CommandError, DeviceFileError, LinkError};
use nasprof_graph::arch::ArchError;
use nasprof_graph::passes::SelectError;
use nasprof_lut::{LutError, MergeError, ShardError};
use nasprof_onnx::OnnxError;
use nasprof_profiler::engine::EngineError;
use nasprof_profiler::journal::JournalError;
use nasprof_profiler::model_measure::ModelError;
use nasprof_profiler::protocol::DeviceError;
use nasprof_render::RenderError;
use nasprof_reports::ReportError;
use nasprof_search::config::ConfigError;
use nasprof_search::evolution::{EvolutionError, RunError};
use nasprof_search::folder::FolderError;
use nasprof_spaces::SpaceError;

use super::Failure;
use crate::device_hints::{BROKEN_AGENT, command_hint, device_file_hint, link_hint, memory_hint};
use crate::exit::{Exit, of_io};
use crate::hints::{
    PROFILE_HINT, arch_hint, folder_hint, journal_hint, model_hint, onnx_runtime_hint, space_hint, trained_hint,
};
use crate::kept::Kept;

/// A file that cannot be read or written.
fn of_file(error: impl fmt::Display, source: &io::Error) -> Failure {
    let failure = Failure::new(of_io(source), error);
    match failure.exit {
        Exit::Internal => failure.hint("free some disk space, or name a file on another disk"),
        _ => failure,
    }
}

impl From<SpaceError> for Failure {
    fn from(error: SpaceError) -> Self {
        let hint = space_hint(&error);
        Self::usage(error).hint(hint)
    }
}

impl From<ArchError> for Failure {
    fn from(error: ArchError) -> Self {
        let hint = arch_hint(&error);
        Self::usage(error).hint(hint)
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
                "use weights.safetensors from a training of this --space and --arch"
            }
            OnnxError::Operators(_) | OnnxError::InputType { .. } | OnnxError::Node { .. } => {
                "use --backend onnxruntime for every model that ONNX Runtime runs; docs/onnx.md lists what --backend \
                 torch reads"
            }
            OnnxError::OpenSize { name, pattern, .. } => {
                let hint = format!("pass --input-shape '{name}={pattern}' with numbers for the question marks");
                return Self::usage(error).hint(hint);
            }
            _ => return Self::usage(error),
        };
        Self::usage(error).hint(hint)
    }
}

impl From<DeviceFileError> for Failure {
    fn from(error: DeviceFileError) -> Self {
        let hint = device_file_hint(&error);
        Self::usage(error).hint(hint)
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

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Link(error) => Self::from(error).without_resuming(),
            CommandError::Interrupted => Self::interrupted(Kept::Nothing),
            error => {
                let hint = command_hint(&error);
                Self::usage(error).hint(hint)
            }
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let hint = journal_hint(&error);
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
            DeviceError::Refused(problem) => match onnx_runtime_hint(&problem).or_else(|| memory_hint(&problem)) {
                Some(hint) => Self::usage(problem).hint(hint),
                None => Self::usage(problem),
            },
            DeviceError::ContextChanged(_) => Self {
                exit: Exit::ContextChanged,
                ..Self::usage(error).hint("set the device to that state, or change its device file")
            },
            DeviceError::Lost(_) => Self {
                exit: Exit::DeviceLost,
                ..Self::usage(error).hint("the measurement so far is kept; the same command with --resume continues")
            },
            DeviceError::Protocol(_) => Self { exit: Exit::BrokenAgent, ..Self::usage(error).hint(BROKEN_AGENT) },
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Device(DeviceError::Refused(problem)) => {
                let hint = model_hint(&problem);
                Self::usage(problem).hint(hint)
            }
            ModelError::Device(error) => Self::from(error).without_resuming(),
            ModelError::Changed(_) => {
                let hint = "run it again; if control flow depends on the inputs, give their values with --input";
                Self { exit: Exit::BrokenAgent, ..Self::usage(error).hint(hint) }
            }
            ModelError::Disturbed => Self { exit: Exit::Noisy, ..Self::usage(error).hint("stop other programs") },
            ModelError::Interrupted => Self::new(Exit::DeviceLost, "interrupted; nothing was written"),
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Journal(error) => error.into(),
            EngineError::Device(error) => error.into(),
            EngineError::Interrupted => Self::interrupted(Kept::Journal),
            EngineError::Noisy(_) => Self {
                exit: Exit::Noisy,
                ..Self::usage(error).hint("stop other programs, or pass --allow-noisy, which flags every row")
            },
            EngineError::ContextChanged(_) => Self {
                exit: Exit::ContextChanged,
                ..Self::usage(error).hint("measure this context into another LUT with -o")
            },
            EngineError::Replay(_) => {
                Self::usage(error).hint("use the options of the journal, or write to another file with -o")
            }
            EngineError::Budget { .. } => Self::usage(error).hint("allow more time, or measure fewer --sessions"),
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
            RunError::Folder(error) => error.into(),
            RunError::Evolution(EvolutionError::Interrupted { .. }) => {
                Self { exit: Exit::DeviceLost, ..Self::usage(error) }.hint("nothing was written; run the command again")
            }
            RunError::Evolution(_) => Self::usage(error),
            RunError::Trained(ref trained) => {
                let hint = trained_hint(trained);
                let failure = Self::usage(&error);
                match hint {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            }
        }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        match (&error, folder_hint(&error)) {
            (FolderError::File { .. }, _) => Self::internal(error),
            (_, Some(hint)) => Self::usage(error).hint(hint),
            (_, None) => Self::usage(error),
        }
    }
}

impl From<LutError> for Failure {
    fn from(error: LutError) -> Self {
        let context = matches!(error, LutError::Context(_));
        let model = matches!(error, LutError::Model { .. });
        let timing = matches!(error, LutError::Timing(_));
        let failure = match &error {
            LutError::File { source, .. } => of_file(&error, source),
            LutError::NoCleanRun { .. } => Self::new(Exit::Noisy, &error)
                .hint("stop other programs, or wait until the device is cool, and run the same command again"),
            _ => Self::usage(error),
        };
        if model {
            failure.hint(PROFILE_HINT)
        } else if context {
            Self { exit: Exit::ContextChanged, ..failure }.hint("measure a LUT in this context")
        } else if timing {
            Self { exit: Exit::ContextChanged, ..failure }
                .hint("measure the space on a GPU that reports it, or leave out --timing")
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
                .hint("`nasprof lut diff` compares LUTs of different contexts"),
            _ => failure,
        }
    }
}

impl From<ShardError> for Failure {
    fn from(error: ShardError) -> Self {
        let failure = Self::usage(&error);
        match error {
            ShardError::Lut(error) => error.into(),
            ShardError::Merge(error) => error.into(),
            ShardError::Disagree { .. } | ShardError::Runs { .. } => Self { exit: Exit::ContextChanged, ..failure }
                .hint("measure each board into its own LUT, without --shard"),
            ShardError::Unsteady { .. } => Self { exit: Exit::Noisy, ..failure }
                .hint("stop other programs, lock the clocks (--lock-clocks), or measure more --sessions"),
            ShardError::Incomplete { .. } => failure.hint("the same `measure` command with --resume continues it"),
            _ => failure.hint("give the journals of all boards of one `measure --shard`, each once"),
        }
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        match &error {
            RenderError::File { source, .. } => of_file(&error, source),
            _ => Self::usage(error),
        }
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match &error {
            ReportError::Render(RenderError::File { source, .. }) => of_file(&error, source),
            ReportError::File { source, .. } => of_file(&error, source),
            ReportError::Run(FolderError::Altered { .. }) => Self::usage(error)
                .hint("restore the file; `sha256sum --check run.sha256` in the folder lists the altered files"),
            _ => Self::usage(error),
        }
    }
}
