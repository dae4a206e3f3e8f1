//! `time`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::context::{ContextArgs, SettingArgs, ShapeArgs};
use crate::completions;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    nasprof time --device local --model net.onnx\n  \
    nasprof time --device local --backend onnxruntime --model net.onnx --input-shape x=1x3x224x224\n  \
    nasprof time --device local --space mobilenet-cifar10 --arch a.json b.json --lut lut.parquet --processes 5\n  \
    nasprof time --device board --arch winner.json --trace winner.trace.json   # open it at ui.perfetto.dev\n  \
    nasprof time --device jetson-tensorrt --model net.onnx   # runs the device's own program: docs/commands.md\n\n\
    The mean leaves out preempted runs and the fastest and slowest of the rest, as in LUTs; quantiles are of all\n\
    runs. Processes differ in speed by a few percent, so the interval of a single process does not hold for others.\n\
    The interval from --processes 5 does.")]
pub(crate) struct TimeArgs {
    /// The device: a name from `nasprof devices list`, or `synthetic:NAME` (virtual time).
    #[arg(long, value_name = "NAME", env = "NASPROF_DEVICE", add = ArgValueCompleter::new(completions::devices))]
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// Networks of a space: files with one or more architectures; `-` reads the standard input.
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "model", conflicts_with = "model",
        add = ArgValueCompleter::new(completions::archs))]
    pub(crate) arch: Vec<PathBuf>,
    /// The space of the architectures: a built-in name or a TOML file [default: from the first, if it is built in].
    #[arg(long, conflicts_with = "model", add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// One network instead: an ONNX model. ONNX Runtime takes any operators; --lut, --trace and other back ends take
    /// the models of docs/onnx.md.
    #[arg(long, value_name = "FILE.onnx")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shapes: ShapeArgs,
    /// With --model on ONNX Runtime: values of its inputs, from NumPy's `savez` [default: random floats, ones].
    #[arg(long, value_name = "FILE.npz", requires = "model")]
    pub(crate) input: Option<PathBuf>,
    /// Time the networks in the context of this LUT, and print its estimates beside their times.
    #[arg(long, value_name = "LUT")]
    pub(crate) lut: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) context: ContextArgs,
    /// Number of processes that time all networks in turn.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) processes: u32,
    /// Target half-width of each interval that is shown, relative to its mean. Rounds narrow the interval of one
    /// process, more processes that of their mean. If one stays wider, the exit code is 3.
    #[arg(long, value_name = "WIDTH", default_value_t = 0.01, value_parser = super::measure::fraction)]
    pub(crate) ci: f64,
    /// Maximum number of rounds in a process.
    #[arg(long, value_name = "N", default_value_t = 27, value_parser = clap::value_parser!(u32).range(8..=10_000))]
    pub(crate) max_rounds: u32,
    /// Seed for order, weights and data.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Also time every layer, and write one run of each network as a trace in Chrome's trace event format: Perfetto
    /// (ui.perfetto.dev) and chrome://tracing open it.
    #[arg(long, value_name = "FILE.json")]
    pub(crate) trace: Option<PathBuf>,
    /// Record all observations in this file, so that --resume can continue.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Continue an interrupted run from its journal.
    #[arg(long, requires = "journal")]
    pub(crate) resume: bool,
    /// Replace the journal if it exists.
    #[arg(long, requires = "journal", conflicts_with = "resume")]
    pub(crate) overwrite: bool,
    /// Measure even on a busy machine.
    #[arg(long)]
    pub(crate) allow_noisy: bool,
    /// Lock the device's clocks during the measurement and restore them afterwards (needs root on the device).
    #[arg(long)]
    pub(crate) lock_clocks: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
