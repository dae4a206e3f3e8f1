//! Formats and units of foreign tables.

/// Supported formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CSV with a header: a column `key` of this program's keys, and one of latencies (`latency`, or `latency_ms` …).
    Table,
    /// The memory of NNabla-NAS' `LatencyGraphEstimator`: a JSON object or CSV of two columns without a header, from
    /// the operator's text to its latency.
    Nnabla,
    /// The profile of TensorRT's `trtexec --exportProfile`.
    Trtexec,
    /// The profile of TensorFlow Lite's `benchmark_model` as CSV.
    TfliteCsv,
    /// The profile of ONNX Runtime.
    OnnxRuntime,
    /// Once-for-all's table of blocks in YAML.
    OnceForAll,
    /// ProxylessNAS' table of blocks in YAML.
    ProxylessNas,
    /// NNI's table of FBNet's blocks: a Python dictionary in each line.
    NniFbnet,
}

impl Format {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Nnabla => "nnabla",
            Self::Trtexec => "trtexec",
            Self::TfliteCsv => "tflite-csv",
            Self::OnnxRuntime => "onnxruntime",
            Self::OnceForAll => "once-for-all",
            Self::ProxylessNas => "proxylessnas",
            Self::NniFbnet => "nni-fbnet",
        }
    }

    /// Whether its entries are layers of a space; else they are layers of their own model.
    #[must_use]
    pub fn is_of_a_space(self) -> bool {
        matches!(self, Self::Table | Self::Nnabla)
    }
}

/// Whether the format of this name is the profile of a model.
pub(crate) fn is_runtime_profile(name: &str) -> bool {
    [Format::Trtexec, Format::TfliteCsv, Format::OnnxRuntime].iter().any(|format| format.name() == name)
}

/// Units of latencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl Unit {
    /// Its name, as in column names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        }
    }

    /// The unit of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds]
            .into_iter()
            .find(|u| u.name() == name)
    }

    /// Nanoseconds in one.
    #[must_use]
    pub fn nanoseconds(self) -> f64 {
        match self {
            Self::Seconds => 1e9,
            Self::Milliseconds => 1e6,
            Self::Microseconds => 1e3,
            Self::Nanoseconds => 1.0,
        }
    }
}
