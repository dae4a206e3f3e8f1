//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures neural network layers on target devices and predicts whole networks from them.
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
    /// List devices, or check that one can be measured.
    Devices(DevicesArgs),
    /// List, show or sample search spaces.
    Space(SpaceArgs),
    /// Measure every layer of a space on a device into a lookup table (LUT).
    Measure(MeasureArgs),
    /// Look at LUTs and change their format.
    Lut(LutArgs),
    /// Predict networks from a LUT.
    Estimate(EstimateArgs),
    /// Measure fresh networks whole and compare them with the prediction.
    Validate(ValidateArgs),
    /// Show results as one HTML file: a LUT, a validation, a search, or several LUTs compared.
    Report(ReportArgs),
    /// Draw an architecture, or write its graph for other programs.
    Export(ExportArgs),
    /// Search a space for the best network within a budget.
    Search(SearchArgs),
    /// Train one network.
    Train(RunArgs),
    /// Write manual pages, one for each command, into a folder.
    Manual {
        /// The folder; `man -l FOLDER/nasprof.1` shows a page.
        #[arg(short, long, value_name = "FOLDER")]
        output: PathBuf,
    },
    /// Print shell completions.
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
    /// List the known devices.
    List,
    /// Connect to a device, look at its state, and re-measure a LUT's anchors if one is given.
    Check {
        /// Name of the device.
        name: String,
        /// A LUT whose anchor networks tell the machine's level now.
        #[arg(long, value_name = "LUT", requires = "space")]
        lut: Option<PathBuf>,
        /// The LUT's space.
        #[arg(long)]
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
    /// Show a space: its choices, counts and what measuring it takes.
    Show {
        /// Name of a built-in space, or a TOML file.
        space: String,
        /// A LUT of the space: shows what a network costs on average, and the range.
        #[arg(long)]
        lut: Option<PathBuf>,
    },
    /// Draw architectures, one JSON file a line.
    Sample {
        /// Name of a built-in space, or a TOML file.
        space: String,
        /// How many.
        #[arg(short = 'n', default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        count: u32,
        /// Seed of the draw.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
}

/// Where layers are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// Inside running networks sampled from the space.
    InContext,
    /// Each alone, in a loop: caches are hot, so sums come out too small.
    Isolated,
}

/// How the agent keeps memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AllocatorArg {
    /// Kept: latencies are repeatable.
    Retain,
    /// glibc's default: what a program gets that does nothing about it.
    System,
}

/// What is measured: a space or one network.
#[derive(Debug, Args)]
#[group(id = "source", required = true, multiple = false)]
pub(crate) struct SourceArgs {
    /// The space: a built-in name or a TOML file.
    #[arg(long)]
    pub(crate) space: Option<String>,
    /// Instead of a space, one network: an ONNX model.
    #[arg(long, value_name = "FILE.onnx")]
    pub(crate) model: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MeasureArgs {
    /// The device: a name from `nasprof devices list`, or `synthetic:NAME` in virtual time. Several, as `a,b`, or a
    /// group of devices are measured at the same time, each into a LUT of its own, or with --share into one.
    #[arg(long, value_name = "NAME", env = "NASPROF_DEVICE", value_delimiter = ',', required = true)]
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
    /// Wanted half-width of each layer's interval, relative.
    #[arg(long, value_name = "WIDTH", default_value_t = 0.02, value_parser = fraction)]
    pub(crate) ci: f64,
    /// Fresh processes to measure in.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) sessions: u32,
    /// Most rounds of a session.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(8..=1000))]
    pub(crate) max_rounds: u32,
    /// Longest time to spend, like 90s or 10m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) budget: Option<Duration>,
    /// Seed of sampling, order, weights and data.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The LUT to write, or for several devices without --share the folder; the journal stands beside it [default:
    /// <space>-<device>.parquet].
    #[arg(short, long, value_name = "LUT")]
    pub(crate) output: Option<PathBuf>,
    /// Go on with an interrupted measurement; a complete one is left as it is.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Measure a machine that is busy; every row is stamped.
    #[arg(long)]
    pub(crate) allow_noisy: bool,
    /// Measure energy as well, where the device shows it: anchor networks whole, layers alone. Adds seconds a layer.
    #[arg(long)]
    pub(crate) energy: bool,
    /// Lock the device's clocks while it is measured, and restore them afterwards (needs root on the device). The clock
    /// mode is part of the LUT's context.
    #[arg(long)]
    pub(crate) lock_clocks: bool,
    /// Share the work of one LUT between several boards of a kind: each measures a part of it, and what all measure must
    /// agree within their intervals, else no LUT is made of the parts.
    #[arg(long)]
    pub(crate) share: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What goes over a device's file.
#[derive(Debug, Clone, Args)]
pub(crate) struct SettingArgs {
    /// Sets a key of the device file for this run, as in `--set host=192.0.2.7 --set port=2222`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// What must be equal for numbers to be comparable.
#[derive(Debug, Clone, Args)]
pub(crate) struct ContextArgs {
    /// Back end [default: the device file's].
    #[arg(long, value_parser = ["torch"])]
    pub(crate) backend: Option<String>,
    /// Threads [default: the device file's].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Batch size [default: 1, or the LUT's].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) batch: Option<u32>,
    /// How the agent keeps memory [default: retain, or the LUT's].
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
        /// Rows to show; 0 shows all.
        #[arg(long, default_value_t = 20)]
        rows: usize,
    },
    /// Compare two LUTs layer by layer.
    Diff {
        /// The one that counts as before.
        before: PathBuf,
        /// The one that counts as after.
        after: PathBuf,
        /// Rows to show; 0 shows all.
        #[arg(long, default_value_t = 20)]
        rows: usize,
    },
    /// Write a LUT as CSV, JSON or Parquet, by the output's ending; nothing is lost.
    Export {
        /// The LUT.
        lut: PathBuf,
        /// The file to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Make a LUT anew from its journal, or from those of all boards that shared the work: the same bytes.
    Rebuild {
        /// The journal; several only where boards shared the work.
        #[arg(required = true, value_name = "JOURNAL")]
        journals: Vec<PathBuf>,
        /// The LUT to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Make one LUT of several that were measured in one context; nothing in it is more certain than in its parts.
    Merge {
        /// The LUTs, two or more.
        #[arg(required = true, num_args = 2.., value_name = "LUT")]
        luts: Vec<PathBuf>,
        /// The LUT to write.
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Make a LUT of another program's table; its rows are marked, and what cannot be right is refused.
    Import(ImportArgs),
    /// Look for entries that cannot be right.
    Check {
        /// The LUT.
        lut: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The table.
    pub(crate) table: PathBuf,
    /// How it is written.
    #[arg(long, value_enum)]
    pub(crate) format: TableFormat,
    /// What its latencies are counted in, where no column says so.
    #[arg(long, value_enum)]
    pub(crate) unit: Option<LatencyUnit>,
    /// The space whose layers are taken: a built-in name or a TOML file.
    #[arg(long)]
    pub(crate) space: String,
    /// Name of the device that the table was measured on.
    #[arg(long)]
    pub(crate) device: String,
    /// Where its layers were timed.
    #[arg(long, value_enum, default_value_t = ModeArg::Isolated)]
    pub(crate) mode: ModeArg,
    /// Threads that a layer used.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: u16,
    /// Batch size that it was measured at.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) batch: u16,
    /// Take a table of which most cannot be right as well; its rows are marked.
    #[arg(long)]
    pub(crate) allow_suspicious: bool,
    /// The LUT to write.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
}

/// Tables that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// CSV with the columns `key`, as in a LUT of this program, and `latency` or `latency_ms`, `latency_us`, …
    Table,
    /// NNabla-NAS' `LatencyGraphEstimator`: JSON or CSV from an operator's text to its latency.
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
    #[command(flatten)]
    pub(crate) source: SourceArgs,
    /// Architecture file; `-` reads one architecture a line from the standard input.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["distribution", "model"], conflicts_with = "model")]
    pub(crate) arch: Option<PathBuf>,
    /// Instead of one architecture, what to expect of networks drawn from a distribution: a file with a probability for
    /// each candidate, or `uniform`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["arch", "model"])]
    pub(crate) distribution: Option<PathBuf>,
    /// Show every layer with its share of time and where its number came from; of a distribution, in JSON, what to expect
    /// if each candidate is selected.
    #[arg(long)]
    pub(crate) explain: bool,
    /// Print JSON, one line an architecture.
    #[arg(long)]
    pub(crate) json: bool,
    /// Refuse the LUT unless it is of this batch size, thread count, back end and allocator.
    #[command(flatten)]
    pub(crate) context: ContextArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The device.
    #[arg(long, value_name = "NAME", env = "NASPROF_DEVICE")]
    pub(crate) device: String,
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    /// The LUT.
    #[arg(long)]
    pub(crate) lut: PathBuf,
    /// The space: a built-in name or a TOML file.
    #[arg(long)]
    pub(crate) space: String,
    /// Fresh networks.
    #[arg(short = 'n', default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) count: u32,
    /// Seed of the networks and their order.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Rounds at most; four times as many halve the noise of the measured times, which is told beside the error.
    #[arg(long, value_name = "N", default_value_t = 27, value_parser = clap::value_parser!(u32).range(8..=10_000))]
    pub(crate) max_rounds: u32,
    /// Processes that measure all networks, one after the other, of which the means are compared. A process gives a network
    /// blocks of memory of its own, and with them a few thousandths of its time: one cannot see that, several average it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) processes: u32,
    /// A LUT of isolated layers to compare with.
    #[arg(long, value_name = "LUT")]
    pub(crate) isolated: Option<PathBuf>,
    /// Measure each network, and each anchor, in a process of its own, as a deployed program runs it: about 5 s each.
    #[arg(long, conflicts_with = "processes")]
    pub(crate) alone: bool,
    /// Compare peak memory instead of latency; each network runs in a process of its own.
    #[arg(long, conflicts_with_all = ["isolated", "allow_noisy", "lock_clocks", "journal", "alone", "max_rounds", "processes"])]
    pub(crate) memory: bool,
    /// Measure a machine that is busy.
    #[arg(long)]
    pub(crate) allow_noisy: bool,
    /// Lock the device's clocks as for the LUT, and restore them afterwards.
    #[arg(long)]
    pub(crate) lock_clocks: bool,
    /// Keep everything that was observed in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Refuse the LUT unless it is of this batch size, thread count, back end and allocator.
    #[command(flatten)]
    pub(crate) context: ContextArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A LUT, the JSON that `nasprof validate --json` printed, a folder of a search, or several LUTs to compare.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// For a validation: the LUT that it was made with, to take networks apart.
    #[arg(long, requires = "space")]
    pub(crate) lut: Option<PathBuf>,
    /// The space of a validation or search [default: the one that the search names].
    #[arg(long)]
    pub(crate) space: Option<String>,
    /// The HTML file to write; it is replaced in one step.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What an architecture is exported to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A picture.
    Svg,
    /// Graphviz's language, in full detail.
    Dot,
    /// An ONNX model of the network, for other runtimes.
    Onnx,
}

/// What of an architecture is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViewArg {
    /// Blocks or cells where the space has them, else the graph.
    Architecture,
    /// The graph that the runtime runs.
    Network,
    /// The whole supernet, with what is chosen and what is pruned.
    Supernet,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The space: a built-in name or a TOML file.
    #[arg(long)]
    pub(crate) space: String,
    /// Architecture file; `-` reads the standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) arch: PathBuf,
    /// What to write.
    #[arg(long, value_enum)]
    pub(crate) to: ExportFormat,
    /// What to draw [default: architecture for svg, network for dot].
    #[arg(long, value_enum)]
    pub(crate) view: Option<ViewArg>,
    /// Weights of an ONNX model: the `weights.safetensors` of a training [default: random].
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Seed of random weights.
    #[arg(long, default_value_t = 0, conflicts_with = "weights")]
    pub(crate) seed: u64,
    /// The file to write; it is replaced in one step.
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
    /// Measure the winner on a machine that is busy.
    #[arg(long)]
    pub(crate) allow_noisy: bool,
    /// Measure the winner with locked clocks, as its LUT was.
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
    /// Set a value over the file's: a dotted key; numbers count the tables of a list.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Go on from the run folder's checkpoint.
    #[arg(long)]
    pub(crate) resume: bool,
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
