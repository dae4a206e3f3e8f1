//! Parts of a context: the data type of a network, the memory layout of its tensors, and which of its latencies is meant.

use serde::{Deserialize, Serialize};

/// The type of a network's weights and activations. Part of a LUT's context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Precision {
    /// 32-bit floats in the runtime's default mode. On a GPU, PyTorch then rounds the operands of convolutions to
    /// TensorFloat-32, but not those of matrix products.
    #[default]
    #[serde(rename = "float32")]
    Float32,
    /// 32-bit floats without rounding to TensorFloat-32.
    #[serde(rename = "float32-strict")]
    Float32Strict,
    /// 16-bit floats (IEEE 754).
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

    /// Whether it is the default.
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

    /// Whether it is the default.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// Which latency of a network is meant on a processor with a queue, such as a GPU. Part of a LUT's context; a LUT measured
/// on such a processor can estimate each of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// The GPU's time behind a full queue: the latency on a saturated GPU.
    #[default]
    Queue,
    /// One replay of a captured graph: the latency of a deployed network that never changes.
    Graph,
    /// One call until its result is there, launches included, by the processor's clock: the latency for a waiting program.
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

    /// The message with which a device without a queue refuses this timing.
    #[must_use]
    pub fn of_gpus(self) -> String {
        format!("the timing `{}` needs a GPU; this device has only one latency", self.name())
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
