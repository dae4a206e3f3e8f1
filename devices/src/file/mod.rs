//! Device files: how to reach a device and what to run there.

mod command;
mod find;
mod times;
mod validity;

use std::path::PathBuf;

use nasprof_profiler::protocol::{Layout, Precision, Timing};
use serde::Deserialize;
use thiserror::Error;

pub use command::{COMMAND, CommandTable, ProfileFormat, Words};
pub use find::{builtin_names, describe, expand, find, names_in, text};
pub use times::{TimesFormat, Unit};

/// How a device is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// A child process on this machine.
    Local,
    /// An agent that is uploaded to a board and run there over SSH.
    Ssh,
}

/// The content of a device file. Paths on the board have the board's syntax.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceFile {
    /// Its name, which is not part of the file.
    #[serde(skip)]
    pub name: String,
    /// Always 1.
    pub format_version: u32,
    /// Description for lists.
    pub description: Option<String>,
    /// How it is reached.
    pub transport: Transport,
    /// Back end of the agent on the device.
    pub backend: String,
    /// Number of threads; the command line may override it.
    pub threads: usize,
    /// Cores to pin to, of which the first `threads` are used; empty: the program chooses.
    #[serde(default)]
    pub cores: Vec<usize>,

    /// Name, address, or alias in the SSH client's configuration.
    pub host: Option<String>,
    /// TCP port; else the SSH client's configuration, else 22.
    pub port: Option<u16>,
    /// Account on the board; else the SSH client's configuration, else the name of this account.
    pub user: Option<String>,
    /// Private key on this machine; else the SSH agent's keys and the usual files.
    pub identity_file: Option<PathBuf>,
    /// `[user@]host[:port]` through which the board is reached.
    pub jump_host: Option<String>,
    /// Known-hosts file on this machine; else the SSH client's.
    pub known_hosts: Option<PathBuf>,
    /// Folder on the board for the agent and the lock; relative to the account's home folder.
    #[serde(default = "default_work_folder")]
    pub work_folder: String,
    /// Agent on this machine to upload; else the one installed for the board's architecture.
    pub agent: Option<PathBuf>,
    /// Agent that is already on the board (built there); then none is uploaded.
    pub agent_on_board: Option<String>,
    /// Folder of `libtorch_cpu.so` on the board.
    pub libtorch: Option<String>,
    /// Folder of `libonnxruntime.so` on the board.
    pub onnxruntime: Option<String>,
    /// Seconds without a heartbeat after which the link counts as lost.
    #[serde(default = "default_silence")]
    pub silence_seconds: u64,
    /// Seconds to retry to reach a lost device.
    pub reconnect_seconds: Option<u64>,
    /// Whether only one run at a time may measure on the device.
    #[serde(default = "default_exclusive")]
    pub exclusive: bool,

    /// Data type of networks; the command line may override it.
    #[serde(default)]
    pub precision: Precision,
    /// Memory layout of images.
    #[serde(default)]
    pub layout: Layout,
    /// Which latency of a GPU is meant.
    pub timing: Option<Timing>,

    /// Temperature in Celsius above which the device is too hot.
    pub temperature_limit: Option<f64>,
    /// Words that `power_mode_command` must print; part of a LUT's context. With `--lock-clocks`, the agent sets the mode of
    /// this name or number if the device has `nvpmodel`.
    pub power_mode: Option<String>,
    /// Shell command that prints the power mode.
    pub power_mode_command: Option<String>,
    /// Shell commands for `--lock-clocks`.
    #[serde(default)]
    pub clocks: ClockCommands,

    /// The program that measures models instead of an agent.
    pub command: Option<CommandTable>,
}

/// Shell commands on the device that control its clocks. If empty, the kernel's clock controls are used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockCommands {
    /// Saves the clocks.
    pub store: Option<String>,
    /// Locks the clocks.
    pub set: Option<String>,
    /// Restores the saved clocks.
    pub restore: Option<String>,
}

/// Devices that are measured together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    format_version: u32,
    description: Option<String>,
    devices: Vec<String>,
}

/// Default seconds to retry to reach a lost board.
const RECONNECT: u64 = 120;

impl DeviceFile {
    /// A synthetic device in virtual time.
    fn synthetic(backend: &str) -> Self {
        Self {
            name: backend.to_owned(),
            format_version: 1,
            description: None,
            transport: Transport::Local,
            backend: backend.to_owned(),
            threads: 1,
            cores: Vec::new(),
            host: None,
            port: None,
            user: None,
            identity_file: None,
            jump_host: None,
            known_hosts: None,
            work_folder: default_work_folder(),
            agent: None,
            agent_on_board: None,
            libtorch: None,
            onnxruntime: None,
            silence_seconds: default_silence(),
            reconnect_seconds: None,
            exclusive: default_exclusive(),
            precision: Precision::Float32,
            layout: Layout::ChannelsFirst,
            timing: None,
            temperature_limit: None,
            power_mode: None,
            power_mode_command: None,
            clocks: ClockCommands::default(),
            command: None,
        }
    }

    /// How long to retry to reach it after it is lost. A local agent that died is not retried unless the file says so,
    /// because the cause is on this machine.
    #[must_use]
    pub fn reconnect(&self) -> std::time::Duration {
        let default = if self.transport == Transport::Ssh { RECONNECT } else { 0 };
        std::time::Duration::from_secs(self.reconnect_seconds.unwrap_or(default))
    }
}

fn default_work_folder() -> String {
    ".cache/nasprof".to_owned()
}

fn default_silence() -> u64 {
    30
}

fn default_exclusive() -> bool {
    true
}

/// Errors of device files.
#[derive(Debug, Error)]
pub enum DeviceFileError {
    /// No file of that name.
    #[error("no device `{name}`{}", nasprof_base::suggest::did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// The requested name.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// A group of devices where a single device is required.
    #[error("{path}: is a group of devices; only `measure` accepts groups")]
    Group {
        /// The file.
        path: String,
    },
    /// A device that would be measured twice at the same time.
    #[error("{name}: is listed twice")]
    Twice {
        /// The device.
        name: String,
    },
    /// An unreadable or invalid file.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A setting from the command line that does not fit the file.
    #[error("setting `{setting}`: {problem}")]
    Setting {
        /// As typed.
        setting: String,
        /// What is wrong.
        problem: String,
    },
}
