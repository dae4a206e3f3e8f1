//! `rank` and `pareto`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::completions;

/// What networks are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RankBy {
    /// The least latency.
    Latency,
    /// The most parameters, which stands in for accuracy.
    Params,
    /// The most multiply-accumulates, which stands in for accuracy.
    Macs,
}

/// What stands against latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AgainstArg {
    /// Multiply-accumulates.
    Macs,
    /// Parameters.
    Params,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    nasprof rank --lut a.parquet --max-latency 3 --max-params 2M --top 20\n  \
    nasprof rank --lut a.parquet --max-latency 3 --by macs      # the largest within 3 ms\n  \
    nasprof rank --lut a.parquet --max-latency 3 --accuracy-table trained.csv\n\n\
    A table of accuracies is CSV with the columns `arch` (an architecture as JSON, as `nasprof space sample` prints it)\n\
    and `accuracy` (more is better; --column names another). Other columns are ignored, so pareto.csv of a search is\n\
    such a table. Its networks are ranked, and no others.\n\n\
    Spaces of up to 500,000 networks are enumerated. Where each choice adds its own part to every quantity, larger ones\n\
    are ranked exactly too. Otherwise networks are sampled and improved one choice at a time, and the output says so.")]
pub(crate) struct RankArgs {
    /// The LUT.
    #[arg(long)]
    pub(crate) lut: PathBuf,
    /// The space: a built-in name or a TOML file [default: from the LUT, if it is built in].
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// What networks are ranked by.
    #[arg(long, value_enum, default_value_t = RankBy::Latency, conflicts_with = "accuracy_table")]
    pub(crate) by: RankBy,
    /// Rank the networks of this table by their accuracy instead.
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) accuracy_table: Option<PathBuf>,
    /// The table's column to rank by.
    #[arg(long, value_name = "NAME", default_value = "accuracy", requires = "accuracy_table")]
    pub(crate) column: String,
    /// Most milliseconds.
    #[arg(long, value_name = "MS", value_parser = positive)]
    pub(crate) max_latency: Option<f64>,
    /// Most trainable parameters, like 2M or 500k.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) max_params: Option<f64>,
    /// Most multiply-accumulates, like 300M.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) max_macs: Option<f64>,
    /// Number of networks to list.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) top: u32,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Print JSON, one line for each network: its architecture and its quantities.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How spaces are sampled that are neither small nor decompose.
#[derive(Debug, Clone, Args)]
pub(crate) struct SamplingArgs {
    /// Networks to sample if the space is large and does not decompose.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) samples: u32,
    /// Seed of the samples.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    nasprof pareto --lut a.parquet -o front.csv --picture front.svg\n  \
    nasprof pareto --lut phone.parquet --lut board.parquet      # fast on both\n\n\
    A network is on the front if no other is at least as good in both quantities and better in one. Latency is best\n\
    low; MACs and parameters are best high, as stand-ins for accuracy (--least turns that around).\n\
    How much of the space was looked at is said as for `nasprof rank`.")]
pub(crate) struct ParetoArgs {
    /// The LUT; a second one of another device or context puts its latency on the other axis.
    #[arg(long, required = true, num_args = 1)]
    pub(crate) lut: Vec<PathBuf>,
    /// The space: a built-in name or a TOML file [default: from the LUT, if it is built in].
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// The other axis if there is one LUT.
    #[arg(long, value_enum, default_value_t = AgainstArg::Macs)]
    pub(crate) against: AgainstArg,
    /// The fewest MACs or parameters are best.
    #[arg(long)]
    pub(crate) least: bool,
    #[command(flatten)]
    pub(crate) sampling: SamplingArgs,
    /// Write the front as CSV, one row for each network.
    #[arg(short, long, value_name = "FILE.csv")]
    pub(crate) output: Option<PathBuf>,
    /// Draw the front into an SVG or PNG file.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) picture: Option<PathBuf>,
    /// Print JSON, one line for each network: its architecture and its quantities.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A positive number, also with a unit of thousands.
fn positive(text: &str) -> Result<f64, String> {
    let (number, factor) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => match text.strip_suffix('M') {
            Some(number) => (number, 1e6),
            None => text.strip_suffix('G').map_or((text, 1.0), |number| (number, 1e9)),
        },
    };
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value * factor),
        _ => Err("a positive number, like 3.5, 500k or 2M".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_units_of_thousands() {
        assert_eq!(
            [positive("3.5"), positive("500k"), positive("2M"), positive("1G")],
            [Ok(3.5), Ok(5e5), Ok(2e6), Ok(1e9)]
        );
        for bad in ["", "M", "-1", "0", "nan", "inf", "2T", "1 M", "1e400"] {
            assert!(positive(bad).is_err(), "{bad}");
        }
    }
}
