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
    /// An agent that is put onto a board and run there over SSH.
    Ssh,
}

/// A device as its file describes it. Paths of the board are as the board writes them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceFile {
    /// What it is called; the file does not say.
    #[serde(skip)]
    pub name: String,
    /// Always 1.
    pub format_version: u32,
    /// What it is, for lists.
    pub description: Option<String>,
    /// How it is reached.
    pub transport: Transport,
    /// Back end of the agent there.
    pub backend: String,
    /// Threads unless the command line says otherwise.
    pub threads: usize,
    /// Cores to pin to, the first `threads` of them; empty: chosen by the program.
    #[serde(default)]
    pub cores: Vec<usize>,

    /// Name, address, or alias in the SSH client's configuration.
    pub host: Option<String>,
    /// TCP port; else the SSH client's configuration, else 22.
    pub port: Option<u16>,
    /// Account on the board; else the SSH client's configuration, else the name of this account.
    pub user: Option<String>,
    /// Private key on this machine; else the SSH agent's and the usual ones.
    pub identity_file: Option<PathBuf>,
    /// `[user@]host[:port]` through which the board is reached.
    pub jump_host: Option<String>,
    /// File of known host keys on this machine; else the SSH client's.
    pub known_hosts: Option<PathBuf>,
    /// Folder on the board for the agent and the lock; relative to the account's home folder.
    #[serde(default = "default_work_folder")]
    pub work_folder: String,
    /// Agent on this machine to put onto the board; else the one installed for the board's architecture.
    pub agent: Option<PathBuf>,
    /// Agent that is on the board already (built there); then none is put there.
    pub agent_on_board: Option<String>,
    /// Folder of `libtorch_cpu.so` on the board.
    pub libtorch: Option<String>,
    /// Folder of `libonnxruntime.so` on the board.
    pub onnxruntime: Option<String>,
    /// Seconds without a sign of life after which the link is given up.
    #[serde(default = "default_silence")]
    pub silence_seconds: u64,
    /// Seconds to go on trying to reach a lost device.
    pub reconnect_seconds: Option<u64>,
    /// Whether only one run at a time may measure there.
    #[serde(default = "default_exclusive")]
    pub exclusive: bool,

    /// What networks compute with there, unless the command line says otherwise.
    #[serde(default)]
    pub precision: Precision,
    /// How images lie in memory.
    #[serde(default)]
    pub layout: Layout,
    /// Which latency of a GPU is meant.
    pub timing: Option<Timing>,

    /// Celsius above which the device is called too hot.
    pub temperature_limit: Option<f64>,
    /// Words that `power_mode_command` must print; part of a LUT's context. With `--lock-clocks` the agent sets it where
    /// there is `nvpmodel`, by this name or number.
    pub power_mode: Option<String>,
    /// Shell command that prints the power mode.
    pub power_mode_command: Option<String>,
    /// Shell commands around `--lock-clocks`.
    #[serde(default)]
    pub clocks: ClockCommands,

    /// What measures models in the agent's place.
    pub command: Option<CommandTable>,
}

/// Shell commands on the device that steer its clocks. Empty: what the kernel offers is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockCommands {
    /// Saves them.
    pub store: Option<String>,
    /// Fixes them.
    pub set: Option<String>,
    /// Puts back what was saved.
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

/// Seconds to go on trying to reach a lost board.
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

    /// How long to go on trying to reach it once it is lost. An agent that died here is not tried again unless the file
    /// says so: the reason lies on this machine.
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

/// A device that cannot be used.
#[derive(Debug, Error)]
pub enum DeviceFileError {
    /// No file of that name.
    #[error("no device `{name}`{}", nasprof_base::suggest::did_you_mean(.nearest.as_deref()))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// A group of devices where one is wanted.
    #[error("{path}: is a group of devices; only `measure` accepts groups")]
    Group {
        /// The file.
        path: String,
    },
    /// A device that is measured twice at the same time.
    #[error("{name}: is listed twice")]
    Twice {
        /// The device.
        name: String,
    },
    /// A file that cannot be read or does not make sense.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A value from the command line that does not fit the file.
    #[error("setting `{setting}`: {problem}")]
    Setting {
        /// As typed.
        setting: String,
        /// What is wrong.
        problem: String,
    },
}
