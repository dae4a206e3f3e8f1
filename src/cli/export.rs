//! `report` and `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use super::PrecisionArg;
use crate::completions;

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A LUT, the profile of a model, the output of `nasprof validate --json`, the folder of a search, or several LUTs or several
    /// profiles to compare.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// For a validation: its LUT, to explain the networks with the largest errors.
    #[arg(long, requires = "space")]
    pub(crate) lut: Option<PathBuf>,
    /// The space of a validation, search or comparison [default: from the search or the first LUT, if it is built in].
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
    /// Precision of an ONNX model: float32, float16, or int8 (uncalibrated scales: for timing only) [default: float32].
    #[arg(long, value_enum)]
    pub(crate) precision: Option<PrecisionArg>,
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
