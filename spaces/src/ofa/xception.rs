//! Once-for-all Xception (NNabla-NAS' `ofa_xception`).

use std::collections::HashSet;

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};
use num_bigint::BigUint;
use serde::{Deserialize, Serialize};

use super::super::checks;
use super::super::error::SpaceError;
use super::super::kernel_transform::KernelTransform;
use super::super::space::Space;
use super::elastic::{check_values, choose, classifier};
use crate::blocks::ofa::{conv_bn, make_divisible, separable_chain};

/// The once-for-all space of Xception: entry and exit of separable convolutions, and eight middle blocks that share their
/// weights. Every middle block is a choice of expansion, kernel and depth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfaXceptionSpec {
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// Classes: outputs of the network.
    pub num_classes: usize,
    /// Candidates of every middle block, `XP<expansion> <kernel>x<kernel> <depth>` such as `XP0.6 7x7 3`: channels between
    /// its convolutions as a part of its own, their kernel, and how many there are.
    pub candidates: Vec<String>,
    /// Channels: two of the stem, three of the entry (the last are those of the middle), three of the exit,
    /// the last layers before the classifier.
    #[serde(default = "stage_widths")]
    pub stage_widths: [usize; 8],
    /// Dropout before the classifier, in [0, 1).
    #[serde(default)]
    pub drop_rate: f64,
}

fn stage_widths() -> [usize; 8] {
    [32, 64, 128, 256, 728, 1024, 1536, 2048]
}

const MIDDLE_BLOCKS: usize = 8;
const MAX_DEPTH: usize = 16;

/// A candidate of a middle block.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    /// Channels between the convolutions as a fraction of the block's channels; without effect if there is a single
    /// convolution.
    expansion: f64,
    kernel: usize,
    depth: usize,
}

impl Candidate {
    fn mid(self, channels: usize) -> usize {
        make_divisible((channels as f64 * self.expansion).round_ties_even())
    }
}

impl OfaXceptionSpec {
    pub(in super::super) fn build(&self, name: &str) -> Result<Space, SpaceError> {
        let candidates = self.check()?;
        let widths = self.stage_widths;
        let middle = widths[4];
        let mut b = GraphBuilder::new();
        let [channels, height, width] = self.input;
        let x = b.input("input", [1, channels, height, width])?;
        let mut x = b.scope("stem/0", |b| conv_bn(b, x, Op::conv(widths[0], 3, 2, 1), Some(Op::Relu)))?;
        x = b.scope("stem/1", |b| conv_bn(b, x, Op::conv(widths[1], 3, 1, 1), Some(Op::Relu)))?;
        for (i, out) in [widths[2], widths[3], middle].into_iter().enumerate() {
            x = b.scope(format!("entry/{i}"), |b| reducing_block(b, x, [out, out], i > 0))?;
        }
        for i in 0..MIDDLE_BLOCKS {
            x = b.scope("middle", |b| self.middle_block(b, &i.to_string(), x, &candidates))?;
        }
        x = b.scope("exit/0", |b| reducing_block(b, x, [middle, widths[5]], true))?;
        x = b.scope("exit/1", |b| separable_chain(b, x, &widths[6..], 3, false))?;
        x = b.add("exit/relu", Op::Relu, &[x])?;
        let y = b.scope("classifier", |b| classifier(b, x, self.drop_rate, self.num_classes))?;
        // With a single convolution the expansion has no effect.
        let distinct: HashSet<_> =
            candidates.iter().map(|c| (if c.depth > 1 { c.mid(middle) } else { 0 }, c.kernel, c.depth)).collect();
        let networks = BigUint::from(distinct.len()).pow(MIDDLE_BLOCKS as u32);
        let kernels: Vec<usize> = candidates.iter().map(|c| c.kernel).collect();
        let deepest = candidates.iter().map(|c| c.depth).max().unwrap_or(0);
        let convolutions = (0..MIDDLE_BLOCKS).flat_map(|i| (0..deepest).map(move |j| format!("middle/{i}/{j}/dw")));
        let transforms = convolutions.flat_map(|convolution| KernelTransform::chain(&convolution, &kernels)).collect();
        Ok(Space::new(name, b.build(&[y])?).with_distinct(networks).with_kernel_transforms(transforms))
    }

    fn middle_block(
        &self,
        b: &mut GraphBuilder,
        name: &str,
        x: NodeId,
        candidates: &[Candidate],
    ) -> Result<NodeId, GraphError> {
        let path = b.path(name);
        let built = b.scope(name, |b| {
            let candidate = |(name, c): (&String, &Candidate)| {
                let channels = b.shape(x).channels();
                let mut widths = vec![c.mid(channels); c.depth];
                widths[c.depth - 1] = channels;
                let y = b.scope(name, |b| {
                    let y = b.sharing(&path, |b| separable_chain(b, x, &widths, c.kernel, true))?;
                    b.add("add", Op::Add, &[y, x])
                })?;
                Ok((name.clone(), y))
            };
            self.candidates.iter().zip(candidates).map(candidate).collect::<Result<Vec<_>, _>>()
        })?;
        choose(b, name, path, built)
    }

    fn check(&self) -> Result<Vec<Candidate>, SpaceError> {
        checks::probability("drop_rate", self.drop_rate)?;
        check_values("candidates", &self.candidates)?;
        for channels in self.stage_widths {
            checks::channels("stage_widths", channels)?;
        }
        checks::image(self.input, 32)?;
        self.candidates
            .iter()
            .map(|name| {
                parse_candidate(name).ok_or_else(|| {
                    let problem = format!("`{name}` is not of the form `XP<expansion> <kernel>x<kernel> <depth>`");
                    SpaceError::value("candidates", problem)
                })
            })
            .collect()
    }
}

/// Two separable convolutions and a max pool of stride 2, added to a strided 1x1 convolution.
fn reducing_block(
    b: &mut GraphBuilder,
    x: NodeId,
    widths: [usize; 2],
    starts_with_relu: bool,
) -> Result<NodeId, GraphError> {
    let y = separable_chain(b, x, &widths, 3, starts_with_relu)?;
    let y = b.add("pool", Op::MaxPool { kernel: [3; 2], stride: [2; 2], pad: [1; 2] }, &[y])?;
    let shortcut = b.scope("shortcut", |b| conv_bn(b, x, Op::conv(widths[1], 1, 2, 0), None))?;
    b.add("add", Op::Add, &[y, shortcut])
}

/// `XP0.6 7x7 3` is expansion 0.6, kernel 7, depth 3.
fn parse_candidate(name: &str) -> Option<Candidate> {
    let (expansion, rest) = name.strip_prefix("XP")?.split_once(' ')?;
    let (kernel, depth) = rest.split_once(' ')?;
    let (height, width) = kernel.split_once('x')?;
    let kernel = height.parse().ok().filter(|k| k % 2 == 1 && *k <= 99 && height == width)?;
    let expansion: f64 = expansion.parse().ok().filter(|e| *e > 0.0 && *e <= 1.0)?;
    let depth = depth.parse().ok().filter(|d| (1..=MAX_DEPTH).contains(d))?;
    Some(Candidate { expansion, kernel, depth })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidate_names_are_read_strictly() {
        assert_eq!(parse_candidate("XP0.6 7x7 3"), Some(Candidate { expansion: 0.6, kernel: 7, depth: 3 }));
        for bad in ["XP0.6 7x7", "XP0.6 7x5 3", "XP0 7x7 3", "XP2 7x7 3", "XPnan 7x7 3", "XP1 4x4 3", "XP1 3x3 0", ""] {
            assert_eq!(parse_candidate(bad), None, "{bad}");
        }
    }
}
