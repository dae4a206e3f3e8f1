//! `estimate` and `validate`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::context::{ContextArgs, SettingArgs, ShapeArgs};
use crate::completions;

#[derive(Debug, Args)]
pub(crate) struct EstimateArgs {
    /// The LUT.
    #[arg(long)]
    pub(crate) lut: PathBuf,
    /// The space: a built-in name or a TOML file [default: from the LUT, if it is built in].
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// One network instead of a space: an ONNX model.
    #[arg(long, value_name = "FILE.onnx", conflicts_with = "space")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) shapes: ShapeArgs,
    /// Architectures: a file that ends in .json holds one; any other file, or stdin (`-`), holds one or more.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["distribution", "model"], conflicts_with = "model",
        add = ArgValueCompleter::new(completions::archs))]
    pub(crate) arch: Option<PathBuf>,
    /// Expected values over a distribution instead of one architecture: a file with a probability for each candidate,
    /// or `uniform`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["arch", "model"])]
    pub(crate) distribution: Option<PathBuf>,
    /// Show the time of each block, then the most expensive layers with the sources of their latencies. JSON has all
    /// layers; for a distribution, it has the expected values with each candidate selected.
    #[arg(long)]
    pub(crate) explain: bool,
    /// With --explain: number of layers to show; 0 shows all [default: 10, or all with --by-layer].
    #[arg(long, value_name = "N", requires = "explain")]
    pub(crate) rows: Option<usize>,
    /// With --explain: show only layers, no blocks.
    #[arg(long, requires = "explain")]
    pub(crate) by_layer: bool,
    /// Estimate at the current level of this device: measure the LUT's anchors again, in about ten seconds. Otherwise
    /// estimates are at the level of the LUT's sessions; a machine without fixed clocks can be far from it.
    #[arg(long, value_name = "DEVICE", conflicts_with = "distribution",
        add = ArgValueCompleter::new(completions::devices))]
    pub(crate) level_from: Option<String>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// Print JSON, one line for each architecture. A .json file gets everything but layers. Any other input gets
    /// latency, interval, parameters and MACs only, which is fast; --explain adds the rest.
    #[arg(long)]
    pub(crate) json: bool,
    /// Refuse the LUT unless it has this batch size, thread count, back end and allocator.
    #[command(flatten)]
    pub(crate) context: ContextArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The device.
    #[arg(long, value_name = "NAME", env = "NASPROF_DEVICE", add = ArgValueCompleter::new(completions::devices))]
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// The LUT.
    #[arg(long)]
    pub(crate) lut: PathBuf,
    /// The space: a built-in name or a TOML file [default: from the LUT, if it is built in].
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// Measure these networks instead of new ones: files with one or more architectures.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "count",
        add = ArgValueCompleter::new(completions::archs))]
    pub(crate) arch: Vec<PathBuf>,
    /// Number of new networks.
    #[arg(short = 'n', default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) count: u32,
    /// Seed for the networks and their order.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Maximum number of rounds; four times as many halve the noise floor, which is reported with the error.
    #[arg(long, value_name = "N", default_value_t = 27, value_parser = clap::value_parser!(u32).range(8..=10_000))]
    pub(crate) max_rounds: u32,
    /// Number of processes that measure all networks in turn; their means are compared with the predictions. Processes
    /// differ by some tenths of a percent, because their memory blocks differ; several average that out.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) processes: u32,
    /// A LUT of isolated layers, for comparison.
    #[arg(long, value_name = "LUT")]
    pub(crate) isolated: Option<PathBuf>,
    /// Measure each network and each anchor in its own process, as a deployed program runs it; about 5 s each.
    #[arg(long, conflicts_with = "processes")]
    pub(crate) alone: bool,
    /// Compare peak memory instead of latency; each network runs in its own process.
    #[arg(long, conflicts_with_all = ["isolated", "allow_noisy", "lock_clocks", "journal", "alone", "max_rounds", "processes"])]
    pub(crate) memory: bool,
    /// Measure even on a busy machine.
    #[arg(long)]
    pub(crate) allow_noisy: bool,
    /// Lock the device's clocks, as for the LUT, and restore them afterwards.
    #[arg(long)]
    pub(crate) lock_clocks: bool,
    /// Record all observations in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Replace the journal if it exists.
    #[arg(long, requires = "journal")]
    pub(crate) overwrite: bool,
    /// Compare every kind of GPU latency that the LUT predicts, from the same runs; the JSON is a list.
    #[arg(long, conflicts_with_all = ["timing", "memory"])]
    pub(crate) all_timings: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Refuse the LUT unless it has this batch size, thread count, back end and allocator.
    #[command(flatten)]
    pub(crate) context: ContextArgs,
}
