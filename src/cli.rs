//! The command line: commands, options and their help texts.

mod context;
mod devices;
mod estimate;
mod export;
mod lut;
mod measure;
mod query;
mod rank;
mod search;
mod space;
mod time;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use self::context::{
    AllocatorArg, ContextArgs, LayoutArg, ModeArg, PrecisionArg, ShapeArgs, SourceArgs, TimingArg,
};
pub(crate) use self::devices::{DevicesArgs, DevicesCommand};
pub(crate) use self::estimate::{EstimateArgs, ValidateArgs};
pub(crate) use self::export::{ExportArgs, ExportFormat, ReportArgs, ViewArg};
pub(crate) use self::lut::{ImportArgs, LatencyUnit, LutArgs, LutCommand, SortColumn, TableFormat};
pub(crate) use self::measure::MeasureArgs;
pub(crate) use self::query::QueryArgs;
pub(crate) use self::rank::{AgainstArg, ParetoArgs, RankArgs, RankBy};
pub(crate) use self::search::{RunArgs, SearchArgs, SimulateArgs, TrainArgs};
pub(crate) use self::space::{SpaceArgs, SpaceCommand};
pub(crate) use self::time::TimeArgs;

/// Measures neural network layers on target devices and predicts the latency of whole networks.
#[derive(Debug, Parser)]
#[command(name = "nasprof", version, about, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 ok, 1 internal error, 2 usage or bad input, 3 measured, but --ci was not reached,\n\
    4 refused: the machine is too noisy, 5 device lost or interrupted (continue with --resume), 6 context changed,\n\
    7 the agent broke the protocol."
)]
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
    /// Time whole networks on a device: architectures of a space or an ONNX model.
    Time(TimeArgs),
    /// Measure new networks and compare them with their predictions.
    Validate(ValidateArgs),
    /// List the best networks of a space within limits, as a LUT predicts them.
    Rank(RankArgs),
    /// List the Pareto front of latency against MACs, parameters or another device's latency.
    Pareto(ParetoArgs),
    /// Write an HTML report of a LUT, a model, a validation, a search, or a comparison of LUTs or models.
    Report(ReportArgs),
    /// Export an architecture as a picture, a graph or an ONNX model.
    Export(ExportArgs),
    /// Search a space for the best network within a budget.
    Search(SearchArgs),
    /// Compare search methods on a table of trained networks.
    Simulate(SimulateArgs),
    /// Train one network, or a list of networks one after the other.
    Train(TrainArgs),
    /// Answer SQL over LUTs, journals, validations and runs (built by `make query`).
    #[command(
        after_help = "nasprof query 'SELECT op, SUM(mean_ms) AS ms FROM lut GROUP BY op ORDER BY ms DESC' lut.parquet\n\
        nasprof query --schema lut.parquet; docs/query.md has more queries."
    )]
    Query(QueryArgs),
    /// Write a manual page for each command into a folder.
    Manual {
        /// The folder; `man -l FOLDER/nasprof.1` shows a page.
        #[arg(short, long, value_name = "FOLDER")]
        output: PathBuf,
    },
    /// Print shell completions, including the names of devices and spaces.
    #[command(after_help = "bash: echo 'source <(nasprof completions bash)' >> ~/.bashrc\n\
        zsh:  echo 'source <(nasprof completions zsh)' >> ~/.zshrc\n\
        fish: echo 'nasprof completions fish | source' >> ~/.config/fish/config.fish")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}
