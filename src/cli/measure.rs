//! `measure`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::context::{ContextArgs, ModeArg, SettingArgs, ShapeArgs, SourceArgs};
use crate::completions;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    nasprof measure --device local --space mobilenet-cifar10\n  \
    nasprof measure --device local --backend onnxruntime --model net.onnx\n  \
    nasprof measure --device jetson-tensorrt --model net.onnx   # runs the device's own program: docs/commands.md")]
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
    pub(crate) shapes: ShapeArgs,
    #[command(flatten)]
    pub(crate) context: ContextArgs,
    /// With --model on ONNX Runtime: values of its inputs, from NumPy's `savez` [default: random floats, ones].
    #[arg(long, value_name = "FILE.npz", requires = "model", conflicts_with = "space")]
    pub(crate) input: Option<PathBuf>,
    /// How layers are timed.
    #[arg(long, value_enum, default_value_t = ModeArg::InContext)]
    pub(crate) mode: ModeArg,
    /// Target half-width of the 95 % interval of networks relative to each other. Measuring ends when the sampled
    /// networks reach it and at most one in five of the layers that take 1 % or more of a network is wider than 3 %.
    /// For isolated layers, the target is twice as wide.
    #[arg(long, value_name = "WIDTH", default_value_t = 0.01, value_parser = fraction)]
    pub(crate) ci: f64,
    /// Number of sessions; each is a fresh process.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) sessions: u32,
    /// Maximum number of rounds in a session.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(8..=1000))]
    pub(crate) max_rounds: u32,
    /// Time limit from the start of the command to the LUT, like 90s or 10m. If it is too short, the command fails
    /// before it times anything, and names about the least: at once if no device could keep it, else when each layer
    /// was tried. Energy (--energy) takes extra time.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) budget: Option<Duration>,
    /// Seed for sampling, order, weights and data.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The LUT to write; for several devices without --shard, a folder. The journal is written next to it [default:
    /// <space>-<device>.parquet]. With --model on ONNX Runtime or a device's command: the profile, FILE.json [default:
    /// none].
    #[arg(short, long, value_name = "LUT")]
    pub(crate) output: Option<PathBuf>,
    /// Continue an interrupted measurement; a complete one is left unchanged.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Start again even if a journal exists; replaces the journal, and at the end its LUT.
    #[arg(long, conflicts_with = "resume")]
    pub(crate) overwrite: bool,
    /// Measure even on a busy machine; then all rows are flagged.
    #[arg(long)]
    pub(crate) allow_noisy: bool,
    /// Also measure energy if the device has a meter: whole anchor networks and single layers, some seconds each.
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

/// A relative width in (0, 1).
pub(super) fn fraction(text: &str) -> Result<f64, String> {
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
