//! Once-for-all MobileNetV3 (Cai et al. 2020; NNabla-NAS' `ofa_mbv3`).

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};
use num_bigint::BigUint;
use serde::{Deserialize, Serialize};

use super::super::checks;
use super::super::error::SpaceError;
use super::super::kernel_transform::KernelTransform;
use super::super::mobilenet;
use super::super::space::Space;
use super::elastic::{check_factor, check_values, choose, classifier};
use crate::blocks::ofa::{MobileBlock, conv_bn, make_divisible, mobile_block};

/// The once-for-all space of MobileNetV3: five stages of blocks that share their weights. Every block is a choice of
/// expansion and kernel, every stage a choice of its depth. Channels are rounded to a multiple of 8.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfaMbv3Spec {
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// Classes: outputs of the network.
    pub num_classes: usize,
    /// Factor on all channels, in (0, 100].
    #[serde(default = "one")]
    pub width_mult: f64,
    /// Channels of the stem, a convolution.
    #[serde(default = "narrow")]
    pub stem_channels: usize,
    /// Kernel of the stem, odd.
    #[serde(default = "stem_kernel")]
    pub stem_kernel: usize,
    /// Stride of the stem, 1 to 8.
    #[serde(default = "stem_stride")]
    pub stem_stride: usize,
    /// Channels of the block behind the stem, which is no choice: expansion 1, kernel 3, stride 1.
    #[serde(default = "narrow")]
    pub first_channels: usize,
    /// Candidates of every block, `MB<expansion> <kernel>x<kernel>` such as `MB6 3x3`: channels between the 1x1 convolutions
    /// in units of the input's, and the depthwise kernel.
    pub candidates: Vec<String>,
    /// Candidates of every stage: how many of its blocks run, each from 1 to 16.
    pub depths: Vec<usize>,
    /// For each of the five stages, whether its blocks have squeeze and excitation behind the depthwise convolution.
    #[serde(default = "squeeze_excitation")]
    pub squeeze_excitation: Vec<bool>,
    /// Channels of the two 1x1 convolutions before the classifier: the first on the map, the second on its mean.
    #[serde(default = "last_channels")]
    pub last_channels: [usize; 2],
    /// Dropout before the classifier, in [0, 1).
    #[serde(default)]
    pub drop_rate: f64,
    /// CompOFA: the depth of a stage decides the expansion of its blocks (2 gives 3, 3 gives 4, 4 gives 6, or the smallest
    /// candidate above), and only kernels are left to choose.
    #[serde(default)]
    pub compound: bool,
    /// Each stage has one kernel, 3, 5, 3, 3 and 5: of the candidates those with that kernel are left.
    #[serde(default)]
    pub fixed_kernel: bool,
}

fn one() -> f64 {
    1.0
}

fn narrow() -> usize {
    16
}

fn stem_kernel() -> usize {
    3
}

fn stem_stride() -> usize {
    2
}

fn squeeze_excitation() -> Vec<bool> {
    vec![false, true, false, true, true]
}

fn last_channels() -> [usize; 2] {
    [960, 1280]
}

/// A candidate of a block: its name, expansion and kernel.
type Candidate = (String, usize, usize);

/// Kernels of the stages where they are fixed.
const FIXED_KERNELS: [usize; STAGES.len()] = [3, 5, 3, 3, 5];

/// Expansion of a stage's blocks by its depth, if depth and width are compound.
const COMPOUND: [(usize, usize); 3] = [(2, 3), (3, 4), (4, 6)];

/// Channels, stride, whether h-swish replaces ReLU.
const STAGES: [(usize, usize, bool); 5] =
    [(24, 2, false), (40, 2, false), (80, 2, true), (112, 1, true), (160, 2, true)];

const MAX_DEPTH: usize = 16;

impl OfaMbv3Spec {
    pub(in super::super) fn build(&self, name: &str) -> Result<Space, SpaceError> {
        let candidates = self.check()?;
        let width = |channels: usize| make_divisible(channels as f64 * self.width_mult);
        let mut b = GraphBuilder::new();
        let [channels, height, image_width] = self.input;
        let x = b.input("input", [1, channels, height, image_width])?;
        let (mut transforms, mut networks) = (Vec::new(), BigUint::from(1_u32));
        let stem = Op::conv(width(self.stem_channels), self.stem_kernel, self.stem_stride, self.stem_kernel / 2);
        let mut x = b.scope("stem", |b| conv_bn(b, x, stem, Some(Op::Hswish)))?;
        let first = MobileBlock {
            out: width(self.first_channels),
            expansion: 1,
            kernel: 3,
            stride: 1,
            activation: Op::Relu,
            squeeze: false,
        };
        x = b.scope("first", |b| mobile_block(b, x, &first))?;
        for (i, (channels, stride, hswish)) in STAGES.into_iter().enumerate() {
            let squeeze = self.squeeze_excitation[i];
            let activation = if hswish { Op::Hswish } else { Op::Relu };
            let block = MobileBlock { out: width(channels), expansion: 1, kernel: 3, stride, activation, squeeze };
            let left = self.candidates_of_stage(&candidates, i)?;
            let path = format!("stages/{i}");
            let kernels: Vec<usize> = left.iter().flat_map(|(_, c)| c).map(|(_, _, kernel)| *kernel).collect();
            for block in 0..self.depths.iter().copied().max().unwrap_or(0) {
                let convolution = format!("{path}/blocks/{block}/depthwise/conv");
                transforms.extend(KernelTransform::chain(&convolution, &kernels));
            }
            networks *= left.iter().map(|(depth, c)| BigUint::from(c.len()).pow(*depth as u32)).sum::<BigUint>();
            x = b.scope(path, |b| self.stage(b, x, &block, &left))?;
        }
        x = b.scope("last", |b| conv_bn(b, x, Op::conv(width(self.last_channels[0]), 1, 1, 0), Some(Op::Hswish)))?;
        let y = b.scope("features", |b| {
            let y = b.add("pool", Op::GlobalAvgPool, &[x])?;
            let y = b.add("conv", Op::conv(width(self.last_channels[1]), 1, 1, 0), &[y])?;
            b.add("act", Op::Hswish, &[y])
        })?;
        let y = b.scope("classifier", |b| classifier(b, y, self.drop_rate, self.num_classes))?;
        Ok(Space::new(name, b.build(&[y])?).with_distinct(networks).with_kernel_transforms(transforms))
    }

    /// Blocks, and the choice of the depth. A depth is an exit from one chain of blocks. If it decides the expansion,
    /// each depth has a chain of its own, whose blocks share weights and choices with the other chains.
    fn stage(
        &self,
        b: &mut GraphBuilder,
        x: NodeId,
        block: &MobileBlock,
        candidates: &[(usize, Vec<Candidate>)],
    ) -> Result<NodeId, GraphError> {
        let mut built = Vec::new();
        let path = b.path("blocks");
        if self.compound {
            for (depth, candidates) in candidates {
                let values = b.scope(format!("depth_{depth}"), |b| chain(b, x, block, candidates, *depth, &path))?;
                built.push((depth.to_string(), values[*depth]));
            }
        } else if let Some((deepest, candidates)) = candidates.iter().max_by_key(|(depth, _)| *depth) {
            let values = chain(b, x, block, candidates, *deepest, &path)?;
            built.extend(self.depths.iter().map(|&d| (d.to_string(), values[d])));
        }
        let choice = b.path("depth");
        choose(b, "depth", choice, built)
    }

    /// The candidates of a stage's blocks at each depth.
    fn candidates_of_stage(
        &self,
        candidates: &[Candidate],
        stage: usize,
    ) -> Result<Vec<(usize, Vec<Candidate>)>, SpaceError> {
        let kernel = FIXED_KERNELS[stage];
        let left: Vec<Candidate> =
            candidates.iter().filter(|(_, _, k)| !self.fixed_kernel || *k == kernel).cloned().collect();
        if left.is_empty() {
            let problem = format!("no candidate has the kernel {kernel} of stage {stage}");
            return Err(SpaceError::value("fixed_kernel", problem));
        }
        self.depths.iter().map(|&depth| Ok((depth, self.candidates_of_depth(&left, depth)?))).collect()
    }

    /// The candidates with the depth's expansion, named by their kernel alone: they are the same choice at every depth.
    fn candidates_of_depth(&self, candidates: &[Candidate], depth: usize) -> Result<Vec<Candidate>, SpaceError> {
        if !self.compound {
            return Ok(candidates.to_vec());
        }
        let wanted = COMPOUND.iter().find(|(d, _)| *d == depth).map(|(_, expansion)| *expansion);
        let wanted = wanted.ok_or_else(|| {
            SpaceError::value("depths", format!("a compound space has the depths 2, 3 and 4, not {depth}"))
        })?;
        let above = candidates.iter().map(|(_, expansion, _)| *expansion).filter(|e| *e >= wanted).min();
        let expansion = above.ok_or_else(|| {
            SpaceError::value("candidates", format!("none has the expansion {wanted} of depth {depth}"))
        })?;
        let same = candidates.iter().filter(|(_, e, _)| *e == expansion);
        Ok(same.map(|&(_, e, kernel)| (format!("{kernel}x{kernel}"), e, kernel)).collect())
    }

    /// Checks all values; returns expansion and kernel of each candidate.
    fn check(&self) -> Result<Vec<Candidate>, SpaceError> {
        check_factor("width_mult", self.width_mult, 100.0)?;
        checks::probability("drop_rate", self.drop_rate)?;
        check_values("depths", &self.depths)?;
        for &depth in &self.depths {
            checks::within("depths", depth, 1..=MAX_DEPTH)?;
        }
        check_values("candidates", &self.candidates)?;
        checks::channels("stem_channels", self.stem_channels)?;
        checks::kernel("stem_kernel", self.stem_kernel)?;
        checks::within("stem_stride", self.stem_stride, 1..=8)?;
        checks::channels("first_channels", self.first_channels)?;
        checks::of_each_stage("squeeze_excitation", &self.squeeze_excitation, STAGES.len())?;
        for channels in self.last_channels {
            checks::channels("last_channels", channels)?;
        }
        checks::image(self.input, STAGES.iter().map(|(_, stride, _)| stride).product::<usize>() * self.stem_stride)?;
        let parsed = mobilenet::parse_candidates(&self.candidates)?;
        Ok(self.candidates.iter().cloned().zip(parsed).map(|(name, (e, k))| (name, e, k)).collect())
    }
}

/// Blocks in a row, each a choice of its candidates. Returns the value before the first block and after each block.
fn chain(
    b: &mut GraphBuilder,
    x: NodeId,
    block: &MobileBlock,
    candidates: &[Candidate],
    depth: usize,
    path: &str,
) -> Result<Vec<NodeId>, GraphError> {
    let mut values = vec![x];
    for i in 0..depth {
        let (x, stride) = (values[i], if i == 0 { block.stride } else { 1 });
        let path = format!("{path}/{i}");
        let name = i.to_string();
        let y = b.scope("blocks", |b| {
            let built = b.scope(&name, |b| {
                let candidate = |(name, expansion, kernel): &Candidate| {
                    let block = MobileBlock { expansion: *expansion, kernel: *kernel, stride, ..block.clone() };
                    let y = b.scope(name, |b| b.sharing(&path, |b| mobile_block(b, x, &block)))?;
                    Ok((name.clone(), y))
                };
                candidates.iter().map(candidate).collect::<Result<Vec<_>, _>>()
            })?;
            choose(b, &name, path, built)
        })?;
        values.push(y);
    }
    Ok(values)
}
