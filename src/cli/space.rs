//! `space`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;

use crate::completions;

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
        /// The back end of the time forecast: `torch`, `onnxruntime`, or `onnxruntime:PROVIDER` [default: the LUT's,
        /// else `torch`].
        #[arg(long, value_parser = nasprof_profiler::backend::named, conflicts_with = "lut")]
        backend: Option<String>,
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
