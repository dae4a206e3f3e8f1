//! `rank` and `pareto`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use super::context::TimingArg;
use crate::completions;

/// Criterion of a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RankBy {
    /// Lowest latency.
    Latency,
    /// Most parameters, as a proxy for accuracy.
    Params,
    /// Most multiply-accumulates, as a proxy for accuracy.
    Macs,
}

/// The other axis.
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
    An accuracy table is CSV with the columns `arch` (an architecture as JSON, as `nasprof space sample` prints it)\n\
    and `accuracy` (higher is better; --column names another). Other columns are ignored, so a search's pareto.csv\n\
    works too. Only the networks of the table are ranked.\n\n\
    Spaces of up to 500,000 networks are enumerated. Larger spaces are ranked exactly if each choice adds its own\n\
    part to every quantity and the limits leave few enough networks to compare. Otherwise networks are sampled and\n\
    improved by one or two choices at a time, and the output says so.")]
pub(crate) struct RankArgs {
    /// The LUT.
    #[arg(long)]
    pub(crate) lut: PathBuf,
    /// The space: a built-in name or a TOML file [default: from the LUT, if it is built in].
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// Kind of GPU latency [default: from the LUT].
    #[arg(long, value_enum)]
    pub(crate) timing: Option<TimingArg>,
    /// Criterion to rank by.
    #[arg(long, value_enum, default_value_t = RankBy::Latency, conflicts_with = "accuracy_table")]
    pub(crate) by: RankBy,
    /// Rank the networks of this table by their accuracy instead.
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) accuracy_table: Option<PathBuf>,
    /// The table's column to rank by.
    #[arg(long, value_name = "NAME", default_value = "accuracy", requires = "accuracy_table")]
    pub(crate) column: String,
    /// Maximum latency in milliseconds.
    #[arg(long, value_name = "MS", value_parser = positive)]
    pub(crate) max_latency: Option<f64>,
    /// Maximum number of trainable parameters, like 2M or 500k.
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(crate) max_params: Option<f64>,
    /// Maximum number of multiply-accumulates, like 300M.
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

/// Sampling of large spaces that do not decompose.
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
    A network is on the front if no other is at least as good in both quantities and better in one. Lower latency is\n\
    better. More MACs and parameters are better, as proxies for accuracy (--least turns that around).\n\
    As for `nasprof rank`, the output says how much of the space was explored.")]
pub(crate) struct ParetoArgs {
    /// The LUT. With a second LUT, of another device or context, its latency is the other axis.
    #[arg(long, required = true, num_args = 1)]
    pub(crate) lut: Vec<PathBuf>,
    /// The space: a built-in name or a TOML file [default: from the LUT, if it is built in].
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// Kind of GPU latency, of each LUT [default: from the LUT].
    #[arg(long, value_enum)]
    pub(crate) timing: Option<TimingArg>,
    /// The other axis with a single LUT [default: macs].
    #[arg(long, value_enum)]
    pub(crate) against: Option<AgainstArg>,
    /// Prefer fewer MACs or parameters, with a single LUT.
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

/// A positive number, also with the suffix k, M or G.
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
