//! `search`, `simulate` and `train`.

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
    /// Evaluate the networks of a table (`networks.parquet` of `nasprof train --many`) with the supernet weights of
    /// this finished search, and print the rank correlation with their own trainings.
    #[arg(long, value_name = "NETWORKS.parquet", conflicts_with_all = ["resume", "overwrite"])]
    pub(crate) judge: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The experiment has an `accuracy_table`, the budget, and the search that is compared with random search, \
    regularised evolution and local search:\n  \
    nasprof simulate EXPERIMENT.toml --cost 8,20 --seeds 2000"
)]
pub(crate) struct SimulateArgs {
    /// The experiment: a TOML or JSON file.
    #[arg(value_name = "EXPERIMENT.toml")]
    pub(crate) experiment: PathBuf,
    /// Replace a value of the file: a dotted key; numbers index the tables of a list.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Costs that a search may have, in full trainings, separated by commas.
    #[arg(long, value_name = "TRAININGS", value_delimiter = ',', default_value = "1,2,5,10,25,50,100")]
    pub(crate) cost: Vec<f64>,
    /// Number of searches with each method at each cost.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(crate) seeds: u32,
    /// Draw the regret of each method against its cost into an SVG or PNG file.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) picture: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "A list has one architecture per line, as `nasprof space sample` prints them:\n  \
    nasprof space sample SPACE -n 200 --seed 1 > networks.jsonl\n  \
    nasprof train EXPERIMENT.toml --many networks.jsonl -o runs/many --resume")]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Train each network of this list separately, one after the other, instead of the experiment's. A line can also be
    /// `{"arch": …, "seed": …}`. networks.jsonl in the run folder gets a line for each finished network, and
    /// networks.parquet is written at the end.
    #[arg(long, value_name = "NETWORKS.jsonl")]
    pub(crate) many: Option<PathBuf>,
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
