//! `search` and `train`.

use std::path::PathBuf;

use clap::Args;

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
