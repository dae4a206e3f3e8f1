//! `lut`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use super::context::ModeArg;
use crate::completions;

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
    /// Show a LUT's context and layers, or the kernels of a measured model, the most expensive first.
    Show {
        /// The LUT, or the profile of a model that `measure --model` or `lut import` wrote.
        lut: PathBuf,
        /// Number of rows to show; 0 shows all.
        #[arg(long, default_value_t = 20)]
        rows: usize,
        /// The column to sort by.
        #[arg(long, value_enum, default_value_t = SortColumn::Mean)]
        sort: SortColumn,
        /// Show only layers whose key, or kernels whose name, operator or shapes, contain this text; case is ignored.
        #[arg(long, value_name = "TEXT")]
        filter: Option<String>,
    },
    /// Compare two LUTs layer by layer, or two profiles of models kernel by kernel.
    Diff {
        /// The first LUT or profile ("before").
        before: PathBuf,
        /// The second LUT or profile ("after").
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
    /// Rebuild a LUT byte for byte from its journal, or from the journals of all boards that shared the work.
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
    /// With --format table or nnabla: the space whose layers to import, a built-in name or a TOML file. Other formats
    /// take no space.
    #[arg(long, required_if_eq_any = [("format", "table"), ("format", "nnabla")],
        add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// Name of the device on which the table was measured.
    #[arg(long)]
    pub(crate) device: String,
    /// How the table's layers were timed.
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
    /// The profile of TensorRT: `trtexec --exportProfile=FILE`.
    Trtexec,
    /// The profile of TensorFlow Lite: `benchmark_model --profiling_output_csv_file=FILE`.
    TfliteCsv,
    /// The profile of ONNX Runtime (`enable_profiling`).
    Onnxruntime,
    /// Once-for-all's blocks in YAML, where `expand` is the number of channels in the middle.
    OnceForAll,
    /// ProxylessNAS' blocks in YAML, where `expand` is a ratio.
    Proxylessnas,
    /// FBNet's blocks as NNI writes them: a Python dictionary in each line (with --unit).
    NniFbnet,
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
