//! Once-for-all MobileNetV3 (nnabla-nas.md 2.7).

use num_bigint::BigUint;
use serde::{Deserialize, Serialize};

use super::super::{Space, SpaceError, checks, mobilenet};
use super::{check_factor, check_values, choose, classifier};
use crate::blocks::ofa::{MobileBlock, conv_bn, make_divisible, mobile_block};
use crate::{GraphBuilder, GraphError, NodeId, Op};

/// Parameters of the space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfaMbv3Spec {
    /// Channels, height, width of the input.
    pub input: [usize; 3],
    /// Classes.
    pub num_classes: usize,
    /// Factor on all channel counts.
    #[serde(default = "one")]
    pub width_mult: f64,
    /// Candidates of every block, `MB<expansion> <kernel>x<kernel>`.
    pub candidates: Vec<String>,
    /// Candidates of every stage: how many of its blocks run.
    pub depths: Vec<usize>,
    /// Dropout before the classifier.
    #[serde(default)]
    pub drop_rate: f64,
}

fn one() -> f64 {
    1.0
}

/// Channels, stride, whether h-swish instead of ReLU, whether squeeze and excitation.
const STAGES: [(f64, usize, bool, bool); 5] = [
    (24.0, 2, false, false),
    (40.0, 2, false, true),
    (80.0, 2, true, false),
    (112.0, 1, true, true),
    (160.0, 2, true, true),
];

const MAX_DEPTH: usize = 16;

impl OfaMbv3Spec {
    pub(in super::super) fn build(&self, name: &str) -> Result<Space, SpaceError> {
        let candidates = self.check()?;
        let width = |channels: f64| make_divisible(channels * self.width_mult);
        let mut b = GraphBuilder::new();
        let [channels, height, image_width] = self.input;
        let x = b.input("input", [1, channels, height, image_width])?;
        let mut x = b.scope("stem", |b| conv_bn(b, x, Op::conv(width(16.0), 3, 2, 1), Some(Op::Hswish)))?;
        let first =
            MobileBlock { out: width(16.0), expansion: 1, kernel: 3, stride: 1, activation: Op::Relu, squeeze: false };
        x = b.scope("first", |b| mobile_block(b, x, &first))?;
        for (i, (channels, stride, hswish, squeeze)) in STAGES.into_iter().enumerate() {
            let activation = if hswish { Op::Hswish } else { Op::Relu };
            let block = MobileBlock { out: width(channels), expansion: 1, kernel: 3, stride, activation, squeeze };
            x = b.scope(format!("stages/{i}"), |b| self.stage(b, x, block, &candidates))?;
        }
        x = b.scope("last", |b| conv_bn(b, x, Op::conv(width(960.0), 1, 1, 0), Some(Op::Hswish)))?;
        let y = b.scope("features", |b| {
            let y = b.add("pool", Op::GlobalAvgPool, &[x])?;
            let y = b.add("conv", Op::conv(width(1280.0), 1, 1, 0), &[y])?;
            b.add("act", Op::Hswish, &[y])
        })?;
        let y = b.scope("classifier", |b| classifier(b, y, self.drop_rate, self.num_classes))?;
        let per_stage: BigUint = self.depths.iter().map(|&d| BigUint::from(candidates.len()).pow(d as u32)).sum();
        Ok(Space::new(name, b.build(&[y])?).with_distinct(per_stage.pow(STAGES.len() as u32)))
    }

    /// As many blocks as the deepest candidate has, then the choice after which of them to leave.
    fn stage(
        &self,
        b: &mut GraphBuilder,
        x: NodeId,
        mut block: MobileBlock,
        candidates: &[(usize, usize)],
    ) -> Result<NodeId, GraphError> {
        let mut values = vec![x];
        for i in 0..self.depths.iter().copied().max().unwrap_or(0) {
            let x = values[i];
            let name = i.to_string();
            let y = b.scope("blocks", |b| {
                let path = b.path(&name);
                let built = b.scope(&name, |b| {
                    let candidate = |(name, &(expansion, kernel)): (&String, &(usize, usize))| {
                        let block = MobileBlock { expansion, kernel, ..block.clone() };
                        let y = b.scope(name, |b| b.sharing(&path, |b| mobile_block(b, x, &block)))?;
                        Ok((name.clone(), y))
                    };
                    self.candidates.iter().zip(candidates).map(candidate).collect::<Result<Vec<_>, _>>()
                })?;
                choose(b, &name, path, built)
            })?;
            values.push(y);
            block.stride = 1;
        }
        let built = self.depths.iter().map(|&d| (d.to_string(), values[d])).collect();
        let choice = b.path("depth");
        choose(b, "depth", choice, built)
    }

    /// Expansion and kernel of each candidate, after all values were checked.
    fn check(&self) -> Result<Vec<(usize, usize)>, SpaceError> {
        check_factor("width_mult", self.width_mult, 100.0)?;
        checks::probability("drop_rate", self.drop_rate)?;
        check_values("depths", &self.depths)?;
        for &depth in &self.depths {
            checks::within("depths", depth, 1..=MAX_DEPTH)?;
        }
        check_values("candidates", &self.candidates)?;
        checks::image(self.input, 32)?;
        mobilenet::parse_candidates(&self.candidates)
    }
}
