//! Device, precision and memory layout of a training.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where tensors are computed: `auto`, `cpu`, `cuda` (the first GPU) or `cuda:1` (another one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Compute {
    /// The first GPU, or the CPU if there is none.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU, counted from 0 among those that CUDA shows the process.
    Cuda(u32),
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(0) => f.write_str("cuda"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl From<Compute> for String {
    fn from(compute: Compute) -> Self {
        compute.to_string()
    }
}

impl TryFrom<String> for Compute {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let index = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            other => other
                .strip_prefix("cuda:")
                .and_then(index)
                .map(Self::Cuda)
                .ok_or_else(|| format!("`{other}` is not one of `auto`, `cpu`, `cuda`, `cuda:1`, …")),
        }
    }
}

/// Precision of forward and backward passes; weights and their updates are always 32-bit floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    Float32,
    /// 32-bit floats; in convolutions and matrix products a GPU rounds the factors to 10 bits of mantissa.
    Tf32,
    /// The upper 16 bits of 32-bit floats, where that is safe.
    Bfloat16,
    /// 16-bit floats of IEEE 754, where that is safe. Losses are scaled so that small gradients do not vanish.
    Float16,
}

/// Memory layout of images and convolution kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Channel by channel (NCHW).
    #[default]
    ChannelsFirst,
    /// Pixel by pixel (NHWC), which some hardware prefers in 16 bits.
    ChannelsLast,
}

impl Precision {
    /// Its name in an experiment.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Tf32 => "tf32",
            Self::Bfloat16 => "bfloat16",
            Self::Float16 => "float16",
        }
    }
}
