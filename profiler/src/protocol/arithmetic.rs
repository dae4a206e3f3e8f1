//! The numbers that a network computes with, how its tensors lie in memory, and what of its run is timed: parts of a context.

use serde::{Deserialize, Serialize};

/// The type of a network's weights and activations. Part of a LUT's context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Precision {
    /// 32-bit floats, as the runtime computes with them by itself: PyTorch rounds the factors of a GPU's convolutions to
    /// TensorFloat-32, but not those of matrix products.
    #[default]
    #[serde(rename = "float32")]
    Float32,
    /// 32-bit floats with no factor rounded.
    #[serde(rename = "float32-strict")]
    Float32Strict,
    /// 16-bit floats of IEEE 754.
    #[serde(rename = "float16")]
    Float16,
    /// The upper half of 32-bit floats.
    #[serde(rename = "bfloat16")]
    Bfloat16,
    /// 8-bit integers, with scales between the layers.
    #[serde(rename = "int8")]
    Int8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Float32, Self::Float32Strict, Self::Float16, Self::Bfloat16, Self::Int8];

    /// Its name in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float32Strict => "float32-strict",
            Self::Float16 => "float16",
            Self::Bfloat16 => "bfloat16",
            Self::Int8 => "int8",
        }
    }

    /// Whether it is what a device uses unless it is told otherwise.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// The order of an image's values in memory. Part of a LUT's context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// Channel by channel (NCHW).
    #[default]
    #[serde(rename = "channels-first")]
    ChannelsFirst,
    /// Pixel by pixel (NHWC).
    #[serde(rename = "channels-last")]
    ChannelsLast,
}

impl Layout {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ChannelsFirst, Self::ChannelsLast];

    /// Its name in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ChannelsFirst => "channels-first",
            Self::ChannelsLast => "channels-last",
        }
    }

    /// Whether it is what a device uses unless it is told otherwise.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// What is called the latency of a network on a processor with a queue, such as a GPU. Part of a LUT's context; a LUT that was
/// measured on such a processor answers for each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// The GPU's time behind a full queue: what a saturated GPU needs.
    #[default]
    Queue,
    /// One replay of a captured graph: what a deployed network that never changes costs.
    Graph,
    /// One call and its answer by the processor's clock, launches included: what a waiting program sees.
    Wall,
}

impl Timing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Queue, Self::Graph, Self::Wall];

    /// Its name in files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Graph => "graph",
            Self::Wall => "wall",
        }
    }

    /// Why a device without a queue refuses to be asked for it.
    #[must_use]
    pub fn of_gpus(self) -> String {
        format!("the timing `{}` is one of GPUs; this device has one latency only", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files() {
        let text = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        Precision::ALL.iter().for_each(|p| assert_eq!(text(serde_json::to_value(p).unwrap()), p.name()));
        Layout::ALL.iter().for_each(|l| assert_eq!(text(serde_json::to_value(l).unwrap()), l.name()));
        Timing::ALL.iter().for_each(|t| assert_eq!(text(serde_json::to_value(t).unwrap()), t.name()));
        assert!(Precision::Float32.is_usual() && !Precision::Float16.is_usual() && !Layout::ChannelsLast.is_usual());
    }
}
