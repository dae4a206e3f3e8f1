//! Options that several commands share: source, device settings and context.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::completions;

/// The input of a measurement: a space or one network.
#[derive(Debug, Args)]
#[group(id = "source", required = true, multiple = false)]
pub(crate) struct SourceArgs {
    /// The space: a built-in name or a TOML file.
    #[arg(long, add = ArgValueCompleter::new(completions::spaces))]
    pub(crate) space: Option<String>,
    /// One network instead of a space: an ONNX model.
    #[arg(long, value_name = "FILE.onnx")]
    pub(crate) model: Option<PathBuf>,
}

/// Shapes of a model's dynamic inputs.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShapeArgs {
    /// With --model: the shape of an input with dynamic sizes, like `images=1x3x224x224`; once for each such input.
    #[arg(long, value_name = "NAME=SIZES", value_parser = input_shape, requires = "model", conflicts_with = "space")]
    pub(crate) input_shape: Vec<(String, Vec<usize>)>,
}

/// The shape of an input, as `NAME=1x3x224x224`; `NAME=` is a scalar.
fn input_shape(text: &str) -> Result<(String, Vec<usize>), String> {
    let explain = || "a name and sizes, like images=1x3x224x224".to_owned();
    let (name, sizes) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(explain)?;
    let sizes = sizes.split('x').filter(|size| !size.is_empty() || sizes.contains('x'));
    let size = |size: &str| size.parse().ok().filter(|&size| size > 0).ok_or_else(explain);
    Ok((name.to_owned(), sizes.map(size).collect::<Result<_, _>>()?))
}

/// Changes to a device file.
#[derive(Debug, Clone, Args)]
pub(crate) struct SettingArgs {
    /// Set a key of the device file for this run, for example `--set host=192.0.2.7 --set port=2222`.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// The context: settings that must be equal for latencies to be comparable.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ContextArgs {
    /// Back end: `torch`, `onnxruntime`, or `onnxruntime:PROVIDER` [default: from the device file].
    #[arg(long, value_parser = nasprof_profiler::backend::named)]
    pub(crate) backend: Option<String>,
    /// Number of threads [default: from the device file].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Batch size [default: 1, or from the LUT].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) batch: Option<u32>,
    /// The agent's memory allocator [default: retain, or from the LUT].
    #[arg(long, value_enum)]
    pub(crate) allocator: Option<AllocatorArg>,
    /// Numeric precision [default: float32, or from the device file or the LUT].
    #[arg(long, value_enum)]
    pub(crate) precision: Option<PrecisionArg>,
    /// Memory layout of images [default: channels-first, or from the device file or the LUT].
    #[arg(long, value_enum)]
    pub(crate) layout: Option<LayoutArg>,
    /// Kind of GPU latency [default: queue, or from the device file or the LUT].
    #[arg(long, value_enum)]
    pub(crate) timing: Option<TimingArg>,
}

/// How layers are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeArg {
    /// Inside running networks sampled from the space.
    InContext,
    /// Each layer alone in a loop: caches are hot, so sums are too small.
    Isolated,
}

/// The agent's memory allocator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AllocatorArg {
    /// Keep freed memory: latencies are repeatable.
    Retain,
    /// glibc's default, as in most programs.
    System,
}

/// Numeric precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionArg {
    /// 32-bit floats with the runtime's defaults; on a GPU, convolutions use TensorFloat-32, as in PyTorch.
    Float32,
    /// 32-bit floats without TensorFloat-32.
    Float32Strict,
    /// 16-bit floats.
    Float16,
    /// 16-bit floats with the exponent range of 32-bit floats.
    Bfloat16,
    /// 8-bit integers.
    Int8,
}

/// Memory layout of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayoutArg {
    /// NCHW.
    ChannelsFirst,
    /// NHWC.
    ChannelsLast,
}

/// Kind of GPU latency; one LUT predicts all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimingArg {
    /// GPU time with a full queue: the latency on a saturated GPU.
    Queue,
    /// One replay of a captured CUDA graph: the latency of a deployed static network.
    Graph,
    /// One call until its result arrives, launches included: the latency of a waiting program.
    Wall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_inputs() {
        assert_eq!(input_shape("a=1x3x4"), Ok(("a".to_owned(), vec![1, 3, 4])));
        assert_eq!(input_shape("a=b=7"), Ok(("a=b".to_owned(), vec![7])));
        assert_eq!(input_shape("a="), Ok(("a".to_owned(), vec![])));
        for bad in ["", "a", "=1", "a=0", "a=1x", "a=x1", "a=1,3", "a=-1", "a=1x?"] {
            assert!(input_shape(bad).is_err(), "{bad}");
        }
    }
}
