//! Options of several commands: what is measured, where and in which context.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::completions;

/// The input of a measurement: a space or one network.
#[derive(Debug, Args)]
#[group(id = "source", required = true, multiple = false)]
pub(crate) struct SourceArgs {
    /// The space: a built-in name or a TOML file.
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// One network instead of a space: an ONNX model.
    #[arg(long, value_name = "FILE.onnx")]
    pub(crate) model: Option<PathBuf>,
}

/// Changes to a device file.
#[derive(Debug, Clone, Args)]
pub(crate) struct SettingArgs {
    /// Set a key of the device file for this run, for example `--set host=192.0.2.7 --set port=2222`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// The context: settings that must be equal for latencies to be comparable.
#[derive(Debug, Clone, Args)]
pub(crate) struct ContextArgs {
    /// Back end: `torch`, `onnxruntime`, or `onnxruntime:PROVIDER` [default: from the device file].
    #[arg(long, value_parser = nasprof_profiler::backend::named)]
    pub(crate) backend: Option<String>,
    /// Number of threads [default: from the device file].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Batch size [default: 1, or from the LUT].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) batch: Option<u32>,
    /// The agent's memory allocator [default: retain, or from the LUT].
    #[arg(long, value_enum)]
    pub(crate) allocator: Option<AllocatorArg>,
}

/// Where layers are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// Inside running networks sampled from the space.
    InContext,
    /// Each layer alone in a loop: caches are hot, so sums are too small.
    Isolated,
}

/// The agent's memory allocator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AllocatorArg {
    /// Keep freed memory: latencies are repeatable.
    Retain,
    /// glibc's default, as in most programs.
    System,
}
