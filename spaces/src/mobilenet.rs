//! The MobileNetV2-like space of the reference (nnabla-nas.md 2.3).

use std::collections::HashSet;

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};
use serde::{Deserialize, Serialize};

use super::checks;
use super::error::SpaceError;
use super::space::Space;
use crate::blocks::mobilenet::{conv_bn_relu6, inverted_residual};

/// Parameters of the space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MobilenetSpec {
    /// Channels, height, width of the input.
    pub input: [usize; 3],
    /// Classes.
    pub num_classes: usize,
    /// Factor on all channel counts.
    #[serde(default = "one")]
    pub width_mult: f64,
    /// Stages: output channels, blocks, stride of the first block.
    pub settings: Vec<[usize; 3]>,
    /// Candidates of every block, `MB<expansion> <kernel>x<kernel>`.
    pub candidates: Vec<String>,
    /// Whether a block that keeps its shape may be skipped.
    pub skip_connect: bool,
    /// Dropout before the classifier.
    #[serde(default)]
    pub drop_rate: f64,
}

fn one() -> f64 {
    1.0
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
        let stem = round_channels(32.0 * self.width_mult);
        let mut x = b.scope("stem", |b| conv_bn_relu6(b, x, stem, 3, 2, 1))?;
        let first = round_channels(16.0 * self.width_mult);
        x = b.scope("first", |b| inverted_residual(b, x, first, 1, 3, 1))?;
        let mut index = 0;
        for &[out, blocks, stride] in &self.settings {
            let out = round_channels(out as f64 * self.width_mult);
            for i in 0..blocks {
                let stride = if i == 0 { stride } else { 1 };
                x = b.scope("blocks", |b| self.block(b, index, x, out, stride, &candidates))?;
                index += 1;
            }
        }
        let last = round_channels(1280.0 * self.width_mult.max(1.0));
        x = b.scope("last", |b| conv_bn_relu6(b, x, last, 1, 1, 1))?;
        let y = b.scope("classifier", |b| {
            let y = b.add("pool", Op::GlobalAvgPool, &[x])?;
            let y = b.add("flatten", Op::Flatten, &[y])?;
            let y = b.add("dropout", Op::Dropout { probability: self.drop_rate }, &[y])?;
            b.add("linear", Op::Linear { out_features: self.num_classes, bias: true }, &[y])
        })?;
        Ok(Space::new(name, b.build(&[y])?))
    }

    /// One choice among inverted residuals and, where it keeps the shape, the skip connection.
    fn block(
        &self,
        b: &mut GraphBuilder,
        index: usize,
        x: NodeId,
        out: usize,
        stride: usize,
        candidates: &[(usize, usize)],
    ) -> Result<NodeId, GraphError> {
        let keeps_shape = stride == 1 && b.shape(x).channels() == out;
        let mut built = Vec::new();
        b.scope(index.to_string(), |b| {
            for (name, &(expansion, kernel)) in self.candidates.iter().zip(candidates) {
                let y = b.scope(name, |b| inverted_residual(b, x, out, stride, kernel, expansion))?;
                built.push((name.clone(), y));
            }
            if self.skip_connect && keeps_shape {
                built.push(("skip_connect".to_owned(), b.add("skip_connect", Op::Identity, &[x])?));
            }
            Ok(())
        })?;
        b.choice(&index.to_string(), built)
    }

    /// Expansion and kernel of each candidate, after all values were checked.
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
        checks::image(self.input, self.settings.iter().fold(2, |product, s| product.saturating_mul(s[2])))?;
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
    // One name for one candidate: `MB06 3x3` would be the same one again.
    (format!("MB{expansion} {kernel}x{kernel}") == name).then_some((expansion, kernel))
}

/// The reference rounds channels up to a multiple of 8 (9 gives 16, 16.1 gives 24). The float is at most a usize by
/// `check` and the graph's own size check refuses what is absurd.
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
