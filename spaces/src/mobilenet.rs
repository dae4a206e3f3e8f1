//! The MobileNetV2-like space of NNabla-NAS (`mobilenet`).

use std::collections::HashSet;

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};
use serde::{Deserialize, Serialize};

use super::checks;
use super::error::SpaceError;
use super::space::Space;
use crate::blocks::mobilenet::{InvertedResidual, conv_bn_relu6, inverted_residual};

/// Networks like MobileNetV2: a stem, stages of inverted residual blocks, a 1x1 convolution, a classifier. Every block is a
/// choice among its candidates. Channels are rounded up to a multiple of 8.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MobilenetSpec {
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// Classes: outputs of the network.
    pub num_classes: usize,
    /// Factor on all channels of this file, in (0, 100]. A factor below 1 leaves `last_channels` as they are.
    #[serde(default = "one")]
    pub width_mult: f64,
    /// Channels of the stem, a convolution.
    #[serde(default = "stem_channels")]
    pub stem_channels: usize,
    /// Kernel of the stem, odd.
    #[serde(default = "stem_kernel")]
    pub stem_kernel: usize,
    /// Stride of the stem, 1 to 8.
    #[serde(default = "stem_stride")]
    pub stem_stride: usize,
    /// Channels of the block behind the stem, which is no choice: expansion 1, kernel 3, stride 1.
    #[serde(default = "first_channels")]
    pub first_channels: usize,
    /// Stages: output channels, blocks, stride of the first block.
    pub settings: Vec<[usize; 3]>,
    /// Candidates of every block, `MB<expansion> <kernel>x<kernel>` such as `MB6 3x3`: channels between the 1x1 convolutions
    /// in units of the input's, and the depthwise kernel.
    pub candidates: Vec<String>,
    /// Whether a block that keeps its shape may be skipped: one more candidate, `skip_connect`.
    pub skip_connect: bool,
    /// For each stage, whether its blocks have squeeze and excitation behind the depthwise convolution; empty: none has.
    #[serde(default)]
    pub squeeze_excitation: Vec<bool>,
    /// Channels of the 1x1 convolution before the classifier.
    #[serde(default = "last_channels")]
    pub last_channels: usize,
    /// Dropout before the classifier, in [0, 1).
    #[serde(default)]
    pub drop_rate: f64,
}

fn one() -> f64 {
    1.0
}

fn stem_channels() -> usize {
    32
}

fn stem_kernel() -> usize {
    3
}

fn stem_stride() -> usize {
    2
}

fn first_channels() -> usize {
    16
}

fn last_channels() -> usize {
    1280
}

/// Bounds that keep a typing error from building for minutes.
const MAX_BLOCKS: usize = 200;
const MAX_CANDIDATES: usize = 100;

impl MobilenetSpec {
    pub(super) fn build(&self, name: &str) -> Result<Space, SpaceError> {
        let candidates = self.check()?;
        let mut b = GraphBuilder::new();
        let [channels, height, width] = self.input;
        let x = b.input("input", [1, channels, height, width])?;
        let width = |channels: usize| round_channels(channels as f64 * self.width_mult);
        let mut x =
            b.scope("stem", |b| conv_bn_relu6(b, x, width(self.stem_channels), self.stem_kernel, self.stem_stride, 1))?;
        let first =
            InvertedResidual { out: width(self.first_channels), stride: 1, kernel: 3, expansion: 1, squeeze: false };
        x = b.scope("first", |b| inverted_residual(b, x, first))?;
        let mut index = 0;
        for (stage, &[out, blocks, stride]) in self.settings.iter().enumerate() {
            let squeeze = self.squeeze_excitation.get(stage).copied().unwrap_or(false);
            let stage = InvertedResidual { out: width(out), squeeze, ..first };
            for i in 0..blocks {
                let stride = if i == 0 { stride } else { 1 };
                let block = InvertedResidual { stride, ..stage };
                x = b.scope("blocks", |b| self.block(b, index, x, block, &candidates))?;
                index += 1;
            }
        }
        let last = round_channels(self.last_channels as f64 * self.width_mult.max(1.0));
        x = b.scope("last", |b| conv_bn_relu6(b, x, last, 1, 1, 1))?;
        let y = b.scope("classifier", |b| {
            let y = b.add("pool", Op::GlobalAvgPool, &[x])?;
            let y = b.add("flatten", Op::Flatten, &[y])?;
            let y = b.add("dropout", Op::Dropout { probability: self.drop_rate }, &[y])?;
            b.add("linear", Op::Linear { out_features: self.num_classes, bias: true }, &[y])
        })?;
        Ok(Space::new(name, b.build(&[y])?))
    }

    /// One choice among inverted residuals and, if the block keeps the shape, the skip connection.
    fn block(
        &self,
        b: &mut GraphBuilder,
        index: usize,
        x: NodeId,
        block: InvertedResidual,
        candidates: &[(usize, usize)],
    ) -> Result<NodeId, GraphError> {
        let keeps_shape = block.stride == 1 && b.shape(x).channels() == block.out;
        let mut built = Vec::new();
        b.scope(index.to_string(), |b| {
            for (name, &(expansion, kernel)) in self.candidates.iter().zip(candidates) {
                let y = b.scope(name, |b| inverted_residual(b, x, InvertedResidual { kernel, expansion, ..block }))?;
                built.push((name.clone(), y));
            }
            if self.skip_connect && keeps_shape {
                built.push(("skip_connect".to_owned(), b.add("skip_connect", Op::Identity, &[x])?));
            }
            Ok(())
        })?;
        b.choice(&index.to_string(), built)
    }

    /// Checks all values; returns expansion and kernel of each candidate.
    fn check(&self) -> Result<Vec<(usize, usize)>, SpaceError> {
        if !(self.width_mult > 0.0 && self.width_mult <= 100.0) {
            return Err(SpaceError::value("width_mult", format!("{} is not in (0, 100]", self.width_mult)));
        }
        checks::probability("drop_rate", self.drop_rate)?;
        if self.settings.is_empty() {
            return Err(SpaceError::value("settings", "the list is empty"));
        }
        if let Some(bad) = self.settings.iter().find(|s| s.contains(&0)) {
            return Err(SpaceError::value(
                "settings",
                format!("{bad:?}: channels, blocks and stride must be at least 1"),
            ));
        }
        let blocks = self.settings.iter().try_fold(0_usize, |sum, s| sum.checked_add(s[1]));
        if blocks.is_none_or(|n| n > MAX_BLOCKS) {
            return Err(SpaceError::value("settings", format!("more than {MAX_BLOCKS} blocks")));
        }
        checks::channels("stem_channels", self.stem_channels)?;
        checks::kernel("stem_kernel", self.stem_kernel)?;
        checks::within("stem_stride", self.stem_stride, 1..=8)?;
        checks::channels("first_channels", self.first_channels)?;
        checks::channels("last_channels", self.last_channels)?;
        if !self.squeeze_excitation.is_empty() {
            checks::of_each_stage("squeeze_excitation", &self.squeeze_excitation, self.settings.len())?;
        }
        let strides = self.settings.iter().fold(self.stem_stride, |product, s| product.saturating_mul(s[2]));
        checks::image(self.input, strides)?;
        if self.candidates.is_empty() {
            return Err(SpaceError::value("candidates", "the list is empty"));
        }
        if self.candidates.len() > MAX_CANDIDATES {
            return Err(SpaceError::value("candidates", format!("more than {MAX_CANDIDATES}")));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = self.candidates.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(SpaceError::value("candidates", format!("`{twice}` is listed twice")));
        }
        parse_candidates(&self.candidates)
    }
}

/// Expansion and kernel of each candidate.
pub(super) fn parse_candidates(names: &[String]) -> Result<Vec<(usize, usize)>, SpaceError> {
    let parse = |name: &String| {
        parse_candidate(name).ok_or_else(|| {
            let problem = format!("`{name}` is not of the form `MB<expansion> <kernel>x<kernel>`");
            SpaceError::value("candidates", problem)
        })
    };
    names.iter().map(parse).collect()
}

/// `MB6 3x3` is expansion 6, kernel 3 (odd, so that the padding keeps the size).
fn parse_candidate(name: &str) -> Option<(usize, usize)> {
    let (expansion, kernel) = name.strip_prefix("MB")?.split_once(' ')?;
    let (height, width) = kernel.split_once('x')?;
    let kernel: usize = height.parse().ok().filter(|k| k % 2 == 1 && *k <= 99 && height == width)?;
    let expansion: usize = expansion.parse().ok().filter(|e| (1..=100).contains(e))?;
    // Each candidate has one name: `MB06 3x3` would be a second name of `MB6 3x3`.
    (format!("MB{expansion} {kernel}x{kernel}") == name).then_some((expansion, kernel))
}

/// The reference rounds channels up to a multiple of 8 (9 gives 16, 16.1 gives 24). `check` bounds the float to a
/// usize, and the graph's own size check refuses absurd channels.
fn round_channels(channels: f64) -> usize {
    ((channels / 8.0).ceil() as usize).saturating_mul(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_rounding_follows_the_reference() {
        assert_eq!([9.0, 16.1, 22.4, 24.0].map(round_channels), [16, 24, 24, 24]);
    }

    #[test]
    fn candidate_names_are_read_strictly() {
        assert_eq!(parse_candidate("MB6 3x3"), Some((6, 3)));
        for bad in [
            "MB6",
            "MB 3x3",
            "MB6 3x5",
            "MB6 4x4",
            "mb6 3x3",
            "MB0 3x3",
            "MB6 3x3 ",
            "MB06 3x3",
            "MB+6 3x3",
            "MB6 +3x+3",
        ] {
            assert_eq!(parse_candidate(bad), None, "{bad}");
        }
    }
}
