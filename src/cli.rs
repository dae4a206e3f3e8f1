//! The command line: commands, options and their help texts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::completions;

/// Measures neural network layers on target devices and predicts the latency of whole networks.
#[derive(Debug, Parser)]
#[command(name = "nasprof", version, about, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 ok, 1 internal error, 2 usage or bad input, 3 some rows did not converge,\n\
    4 refused: the machine is too noisy, 5 device lost or interrupted (go on with --resume), 6 the context changed,\n\
    7 the agent broke the protocol.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List devices, or check a device.
    Devices(DevicesArgs),
    /// List, show or sample search spaces.
    Space(SpaceArgs),
    /// Measure every layer of a space on a device into a lookup table (LUT).
    Measure(MeasureArgs),
    /// Show, compare, convert, merge and import LUTs.
    Lut(LutArgs),
    /// Predict networks from a LUT.
    Estimate(EstimateArgs),
    /// Measure new networks and compare them with their predictions.
    Validate(ValidateArgs),
    /// Write an HTML report of a LUT, a validation, a search, or a comparison of LUTs.
    Report(ReportArgs),
    /// Export an architecture as a picture, a graph or an ONNX model.
    Export(ExportArgs),
    /// Search a space for the best network within a budget.
    Search(SearchArgs),
    /// Train one network.
    Train(RunArgs),
    /// Write a manual page for each command into a folder.
    Manual {
        /// The folder; `man -l FOLDER/nasprof.1` shows a page.
        #[arg(short, long, value_name = "FOLDER")]
        output: PathBuf,
    },
    /// Print shell completions, also for names of devices and spaces.
    #[command(after_help = "bash: echo 'source <(nasprof completions bash)' >> ~/.bashrc\n\
        zsh:  echo 'source <(nasprof completions zsh)' >> ~/.zshrc\n\
        fish: echo 'nasprof completions fish | source' >> ~/.config/fish/config.fish")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    #[command(subcommand)]
    pub(crate) command: Option<DevicesCommand>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DevicesCommand {
    /// List the known devices with their descriptions.
    List,
    /// Print a device's file.
    Show {
        /// Name of the device.
        #[arg(add = ArgValueCompleter::new(completions::devices))]
        name: String,
    },
    /// Connect to a device and report its state; with --lut, measure the LUT's anchors again.
    Check {
        /// Name of the device.
        #[arg(add = ArgValueCompleter::new(completions::devices))]
        name: String,
        /// A LUT: its anchor networks show the device's present level.
        #[arg(long, value_name = "LUT")]
        lut: Option<PathBuf>,
        /// The LUT's space: a built-in name or a TOML file [default: from the LUT, if it is built in].
        #[arg(long, requires = "lut", add = ArgValueCompleter::new(completions::spaces))]
        space: Option<String>,
        #[command(flatten)]
        settings: SettingArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SpaceArgs {
    #[command(subcommand)]
    pub(crate) command: Option<SpaceCommand>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SpaceCommand {
    /// List the built-in spaces.
    List,
    /// Show a space: its choices, its size and the cost of measuring it.
    Show {
        /// Name of a built-in space, or a TOML file.
        #[arg(add = ArgValueCompleter::new(completions::spaces))]
        space: String,
        /// A LUT of the space: adds the mean and range of network latencies.
        #[arg(long)]
        lut: Option<PathBuf>,
    },
    /// Sample architectures, one JSON object on each line.
    Sample {
        /// Name of a built-in space, or a TOML file.
        #[arg(add = ArgValueCompleter::new(completions::spaces))]
        space: String,
        /// Number of architectures.
        #[arg(short = 'n', default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        count: u32,
        /// Seed of the random choices.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
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

#[derive(Debug, Args)]
pub(crate) struct MeasureArgs {
    /// The device: a name from `nasprof devices list`, or `synthetic:NAME` (virtual time). Several devices (`a,b`) or a
    /// group are measured at the same time, each into its own LUT, or with --shard into one LUT.
    #[arg(long, value_name = "NAME", env = "NASPROF_DEVICE", value_delimiter = ',', required = true,
        add = ArgValueCompleter::new(completions::devices))]
    pub(crate) device: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    #[command(flatten)]
    pub(crate) context: ContextArgs,
    /// Where layers are timed.
    #[arg(long, value_enum, default_value_t = ModeArg::InContext)]
    pub(crate) mode: ModeArg,
    /// Target half-width of each layer's interval, relative to its mean.
    #[arg(long, value_name = "WIDTH", default_value_t = 0.02, value_parser = fraction)]
    pub(crate) ci: f64,
    /// Number of sessions; each is a fresh process.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) sessions: u32,
    /// Maximum number of rounds in a session.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(8..=1000))]
    pub(crate) max_rounds: u32,
    /// Time limit, like 90s or 10m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) budget: Option<Duration>,
    /// Seed for sampling, order, weights and data.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The LUT to write; for several devices without --shard, a folder. The journal is written next to it [default:
    /// <space>-<device>.parquet].
    #[arg(short, long, value_name = "LUT")]
    pub(crate) output: Option<PathBuf>,
    /// Continue an interrupted measurement; a complete one is left unchanged.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Start again even if a journal exists; the journal is replaced, and its LUT at the end.
    #[arg(long, conflicts_with = "resume")]
    pub(crate) overwrite: bool,
    /// Measure a busy machine; its rows are flagged.
    #[arg(long)]
    pub(crate) allow_noisy: bool,
    /// Also measure energy if the device has a meter: whole anchor networks and single layers. Takes seconds for each.
    #[arg(long)]
    pub(crate) energy: bool,
    /// Lock the device's clocks during the measurement and restore them afterwards (needs root on the device). The
    /// clock mode is part of the LUT's context.
    #[arg(long)]
    pub(crate) lock_clocks: bool,
    /// Share the work of one LUT between equal boards: each measures a part. The LUT is written only if the boards
    /// agree on a common part within their intervals.
    #[arg(long, alias = "share")]
    pub(crate) shard: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Back end [default: from the device file].
    #[arg(long, value_parser = ["torch"])]
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

#[derive(Debug, Args)]
pub(crate) struct LutArgs {
    #[command(subcommand)]
    pub(crate) command: LutCommand,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LutCommand {
    /// Show a LUT's context and layers, the most expensive first.
    Show {
        /// The LUT.
        lut: PathBuf,
        /// Number of rows to show; 0 shows all.
        #[arg(long, default_value_t = 20)]
        rows: usize,
        /// The column to sort by.
        #[arg(long, value_enum, default_value_t = SortColumn::Mean)]
        sort: SortColumn,
        /// Show only layers whose key contains this text, ignoring case.
        #[arg(long, value_name = "TEXT")]
        filter: Option<String>,
    },
    /// Compare two LUTs layer by layer.
    Diff {
        /// The first LUT ("before").
        before: PathBuf,
        /// The second LUT ("after").
        after: PathBuf,
        /// Number of rows to show; 0 shows all.
        #[arg(long, default_value_t = 20)]
        rows: usize,
    },
    /// Convert a LUT to CSV, JSON or Parquet (the output's ending decides), without loss.
    Export {
        /// The LUT.
        lut: PathBuf,
        /// The file to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Rebuild a LUT from its journal, or from the journals of all boards that shared the work, byte for byte.
    Rebuild {
        /// The journal; several only if boards shared the work.
        #[arg(required = true, value_name = "JOURNAL")]
        journals: Vec<PathBuf>,
        /// The LUT to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Merge LUTs of one context into one; no interval becomes narrower.
    Merge {
        /// The LUTs, two or more.
        #[arg(required = true, num_args = 2.., value_name = "LUT")]
        luts: Vec<PathBuf>,
        /// The LUT to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Import another program's latency table; rows are flagged, implausible tables are refused.
    Import(ImportArgs),
    /// Look for implausible entries.
    Check {
        /// The LUT.
        lut: PathBuf,
    },
}

/// Columns of a LUT's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortColumn {
    /// By key, alphabetically.
    Layer,
    /// The most expensive first, after failed layers.
    Mean,
    /// The widest interval first, after unknown ones.
    Half,
    /// The most flags first.
    Flags,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The table to import.
    pub(crate) table: PathBuf,
    /// Format of the table.
    #[arg(long, value_enum)]
    pub(crate) format: TableFormat,
    /// Unit of the latencies, if no column names it.
    #[arg(long, value_enum)]
    pub(crate) unit: Option<LatencyUnit>,
    /// The space whose layers to import: a built-in name or a TOML file.
    #[arg(long)]
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: String,
    /// Name of the device on which the table was measured.
    #[arg(long)]
    pub(crate) device: String,
    /// Where the table's layers were timed.
    #[arg(long, value_enum, default_value_t = ModeArg::Isolated)]
    pub(crate) mode: ModeArg,
    /// Number of threads in the measurement.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: u16,
    /// Batch size in the measurement.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) batch: u16,
    /// Import a table even if most of its values are implausible; its rows are flagged.
    #[arg(long)]
    pub(crate) allow_suspicious: bool,
    /// The LUT to write.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
}

/// Tables that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// CSV with the columns `key`, as in a LUT of nasprof, and `latency` or `latency_ms`, `latency_us`, …
    Table,
    /// NNabla-NAS' `LatencyGraphEstimator`: JSON or CSV that maps an operator's text to its latency.
    Nnabla,
}

/// Units of latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LatencyUnit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

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
    /// Architectures: one in a file that ends in .json; one or more in any other file, or on stdin (`-`).
    #[arg(long, value_name = "FILE", required_unless_present_any = ["distribution", "model"], conflicts_with = "model",
        add = ArgValueCompleter::new(completions::archs))]
    pub(crate) arch: Option<PathBuf>,
    /// Expected values over a distribution instead of one architecture: a file with a probability for each candidate,
    /// or `uniform`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["arch", "model"])]
    pub(crate) distribution: Option<PathBuf>,
    /// Show the time of each block, then the most expensive layers with the sources of their latencies; in JSON, all
    /// layers. For a distribution, in JSON: the expected value if each candidate is selected.
    #[arg(long)]
    pub(crate) explain: bool,
    /// With --explain: number of layers to show; 0 shows all [default: 10, or all with --by-layer].
    #[arg(long, value_name = "N", requires = "explain")]
    pub(crate) rows: Option<usize>,
    /// With --explain: show only layers, no blocks.
    #[arg(long, requires = "explain")]
    pub(crate) by_layer: bool,
    /// Print JSON, one line for each architecture.
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
    /// Measure a busy machine.
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
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Refuse the LUT unless it has this batch size, thread count, back end and allocator.
    #[command(flatten)]
    pub(crate) context: ContextArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A LUT, the output of `nasprof validate --json`, the folder of a search, or several LUTs to compare.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// For a validation: its LUT, to explain the networks with the largest errors.
    #[arg(long, requires = "space")]
    pub(crate) lut: Option<PathBuf>,
    /// The space of a validation or search [default: from the search].
    #[arg(long)]
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// The HTML file to write; it is replaced atomically.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Export formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A picture.
    Svg,
    /// Graphviz DOT, in full detail.
    Dot,
    /// An ONNX model of the network, for other runtimes.
    Onnx,
}

/// Views of an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViewArg {
    /// Blocks or cells if the space has them, otherwise the graph.
    Architecture,
    /// The graph as the runtime runs it.
    Network,
    /// The whole supernet, with selected and pruned parts.
    Supernet,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The space: a built-in name or a TOML file [default: from the architecture, if it is built in].
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// Architecture file; `-` reads the standard input.
    #[arg(long, value_name = "FILE", add = ArgValueCompleter::new(completions::archs))]
    pub(crate) arch: PathBuf,
    /// Export format [default: from the output's ending].
    #[arg(long, value_enum)]
    pub(crate) to: Option<ExportFormat>,
    /// View to draw [default: architecture for svg, network for dot].
    #[arg(long, value_enum)]
    pub(crate) view: Option<ViewArg>,
    /// Weights for an ONNX model: the `weights.safetensors` of a training [default: random].
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Seed for random weights.
    #[arg(long, default_value_t = 0, conflicts_with = "weights")]
    pub(crate) seed: u64,
    /// The file to write; it is replaced atomically.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Measure the winner even on a busy machine.
    #[arg(long)]
    pub(crate) allow_noisy: bool,
    /// Measure the winner with locked clocks, like its LUT.
    #[arg(long)]
    pub(crate) lock_clocks: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The experiment: a TOML or JSON file.
    #[arg(value_name = "EXPERIMENT.toml")]
    pub(crate) experiment: PathBuf,
    /// The run folder [default: runs/EXPERIMENT].
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a value of the file: a dotted key; numbers index the tables of a list.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Continue the run in the folder from its last checkpoint. A finished run only prints its result, or continues if
    /// `--set training.epochs=N` asks for more epochs.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Start again even if the folder has a run; the run's files are replaced.
    #[arg(long, conflicts_with = "resume")]
    pub(crate) overwrite: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A relative width in (0, 1).
fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("a number between 0 and 1, like 0.02 for 2 %".to_owned()),
    }
}

/// A time like 90s, 10m or 1h.
fn duration(text: &str) -> Result<Duration, String> {
    let explain = || "a time like 90s, 10m or 1h".to_owned();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(explain)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(explain()),
    };
    match number.parse::<f64>() {
        Ok(value) if value > 0.0 && value * seconds <= 1e7 => Ok(Duration::from_secs_f64(value * seconds)),
        _ => Err(explain()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_and_fractions() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        for bad in ["", "10", "m", "-1s", "1d", "1e300h", "nans", "0s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(fraction("0.02"), Ok(0.02));
        for bad in ["0", "1", "2 %", "nan", "-0.1", "inf"] {
            assert!(fraction(bad).is_err(), "{bad}");
        }
    }
}
