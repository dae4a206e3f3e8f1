//! Once-for-all ResNet-50 (NNabla-NAS' `ofa_resnet50`).
//!
//! A width changes the input shape of every consumer, but the candidates of a choice must have one shape. Each stage
//! is therefore built once for every width. Its first block is also built once for every width of the previous stage,
//! and the choice of that width follows the first block. Pruning leaves only the path of the selected widths.

use nasprof_graph::{GraphBuilder, GraphError, NodeId, Op};
use num_bigint::BigUint;
use serde::{Deserialize, Serialize};

use super::super::checks;
use super::super::error::SpaceError;
use super::super::space::Space;
use super::elastic::{check_factor, check_values, choose, classifier};
use crate::blocks::ofa::{bottleneck, conv_bn, make_divisible};

/// The once-for-all space of ResNet-50: a stem and four stages of bottleneck blocks that share their weights. Every block is
/// a choice of its inner width, every stage of its depth and width. Channels are rounded to a multiple of 8.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfaResnet50Spec {
    /// Channels, height and width of an image.
    pub input: [usize; 3],
    /// Classes: outputs of the network.
    pub num_classes: usize,
    /// Channels of the two halves of the stem, each a convolution; the first halves the map, a pool behind the second again.
    #[serde(default = "stem_channels")]
    pub stem_channels: [usize; 2],
    /// Candidates of every stage: blocks added to its 2, 2, 4 or 2, each from 0 to 8. With more than one, the
    /// stem's residual convolution may be left out as well.
    pub depths: Vec<usize>,
    /// Candidates of every block: inner channels as a part of the outer ones, in (0, 1].
    pub expansions: Vec<f64>,
    /// Candidates of both halves of the stem and of every stage: factors on the channels, in (0, 10].
    pub widths: Vec<f64>,
    /// Dropout before the classifier, in [0, 1).
    #[serde(default)]
    pub drop_rate: f64,
}

fn stem_channels() -> [usize; 2] {
    [32, 64]
}

/// Channels, fewest blocks, stride.
const STAGES: [(f64, usize, usize); 4] = [(256.0, 2, 1), (512.0, 2, 2), (1024.0, 4, 2), (2048.0, 2, 2)];
const MAX_DEPTH: usize = 8;
const MAX_FACTORS: usize = 6;

/// One value for each width; they differ only in their channels.
type Variants = Vec<(String, NodeId)>;

impl OfaResnet50Spec {
    pub(in super::super) fn build(&self, name: &str) -> Result<Space, SpaceError> {
        self.check()?;
        let mut b = GraphBuilder::new();
        let [channels, height, width] = self.input;
        let x = b.input("input", [1, channels, height, width])?;
        let mut x = b.scope("stem", |b| self.stem(b, x))?;
        let mut read = "stem/width_1".to_owned();
        for (i, stage) in STAGES.into_iter().enumerate() {
            let path = format!("stages/{i}");
            x = b.scope(&path, |b| self.stage(b, &x, &read, stage))?;
            read = format!("{path}/width");
        }
        let y = across(&mut b, "classifier", &x, &read, |b, x| {
            b.sharing("classifier", |b| classifier(b, x, self.drop_rate, self.num_classes))
        })?;
        Ok(Space::new(name, b.build(&[y])?).with_distinct(self.networks()))
    }

    fn networks(&self) -> BigUint {
        let [depths, expansions, widths] = [self.depths.len(), self.expansions.len(), self.widths.len()];
        let stages: BigUint = STAGES
            .iter()
            .map(|(_, least, _)| -> BigUint {
                self.depths.iter().map(|d| BigUint::from(expansions).pow((least + d) as u32)).sum()
            })
            .product();
        let residual = if depths > 1 { 2_u32 } else { 1 };
        stages * residual * BigUint::from(widths).pow((self.stem_channels.len() + STAGES.len()) as u32)
    }

    /// Two convolutions and a pool, with a residual convolution in between.
    fn stem(&self, b: &mut GraphBuilder, x: NodeId) -> Result<Variants, GraphError> {
        let first = self.for_each_width(b, "0", |b, factor| {
            let out = make_divisible(self.stem_channels[0] as f64 * factor);
            let y = b.sharing("stem/0", |b| conv_bn(b, x, Op::conv(out, 3, 2, 1), Some(Op::Relu)))?;
            let longer = b.scope("residual", |b| {
                let z = b.sharing("stem/residual", |b| conv_bn(b, y, Op::conv(out, 3, 1, 1), Some(Op::Relu)))?;
                b.add("add", Op::Add, &[z, y])
            })?;
            let mut built = vec![("residual".to_owned(), longer)];
            if self.depths.len() > 1 {
                built.push(("skip".to_owned(), y));
            }
            choose(b, "residual", "stem/residual".to_owned(), built)
        })?;
        self.for_each_width(b, "1", |b, factor| {
            let out = make_divisible(self.stem_channels[1] as f64 * factor);
            let y = across(b, "conv", &first, "stem/width_0", |b, x| {
                b.sharing("stem/1", |b| conv_bn(b, x, Op::conv(out, 3, 1, 1), Some(Op::Relu)))
            })?;
            b.add("pool", Op::MaxPool { kernel: [3; 2], stride: [2; 2], pad: [1; 2] }, &[y])
        })
    }

    /// One stage at every width; `read` is the choice of the width before it.
    fn stage(
        &self,
        b: &mut GraphBuilder,
        before: &Variants,
        read: &str,
        (channels, least, stride): (f64, usize, usize),
    ) -> Result<Variants, GraphError> {
        let path = b.path("blocks");
        let depth = b.path("depth");
        let most = least + self.depths.iter().copied().max().unwrap_or(0);
        self.for_each_width(b, "width", |b, factor| {
            let out = make_divisible(channels * factor);
            let first = across(b, "blocks/0", before, read, |b, x| self.block(b, x, &path, 0, out, stride))?;
            let mut values = vec![first];
            for i in 1..most {
                let x = values[i - 1];
                values.push(b.scope(format!("blocks/{i}"), |b| self.block(b, x, &path, i, out, 1))?);
            }
            let built = self.depths.iter().map(|d| (d.to_string(), values[least + d - 1])).collect();
            choose(b, "depth", depth.clone(), built)
        })
    }

    /// The candidates of one block, in the open scope.
    fn block(
        &self,
        b: &mut GraphBuilder,
        x: NodeId,
        path: &str,
        index: usize,
        out: usize,
        stride: usize,
    ) -> Result<NodeId, GraphError> {
        let path = format!("{path}/{index}");
        let mut built = Vec::new();
        for expansion in &self.expansions {
            let mid = make_divisible((out as f64 * expansion).round_ties_even());
            let name = expansion.to_string();
            let y = b.scope(format!("expand_{name}"), |b| b.sharing(&path, |b| bottleneck(b, x, mid, out, stride)))?;
            built.push((name, y));
        }
        choose(b, "expand", path, built)
    }

    fn for_each_width(
        &self,
        b: &mut GraphBuilder,
        name: &str,
        mut module: impl FnMut(&mut GraphBuilder, f64) -> Result<NodeId, GraphError>,
    ) -> Result<Variants, GraphError> {
        self.widths
            .iter()
            .map(|&factor| {
                let y = b.scope(format!("{name}_{factor}"), |b| module(b, factor))?;
                Ok((factor.to_string(), y))
            })
            .collect()
    }

    fn check(&self) -> Result<(), SpaceError> {
        checks::probability("drop_rate", self.drop_rate)?;
        check_values("depths", &self.depths)?;
        for &depth in &self.depths {
            checks::within("depths", depth, 0..=MAX_DEPTH)?;
        }
        for (key, values, most) in [("expansions", &self.expansions, 1.0), ("widths", &self.widths, 10.0)] {
            check_values(key, values)?;
            if values.len() > MAX_FACTORS {
                return Err(SpaceError::value(key, format!("more than {MAX_FACTORS}")));
            }
            for &value in values {
                check_factor(key, value, most)?;
            }
        }
        for channels in self.stem_channels {
            checks::channels("stem_channels", channels)?;
        }
        checks::image(self.input, 32)?;
        let [_, height, width] = self.input;
        if !height.is_multiple_of(32) || !width.is_multiple_of(32) {
            let problem = format!("{height}x{width} cannot be halved five times: both must be multiples of 32");
            return Err(SpaceError::value("input", problem));
        }
        Ok(())
    }
}

/// Applies `module` to every variant, then adds the choice of the width among the results.
fn across(
    b: &mut GraphBuilder,
    name: &str,
    variants: &Variants,
    choice: &str,
    mut module: impl FnMut(&mut GraphBuilder, NodeId) -> Result<NodeId, GraphError>,
) -> Result<NodeId, GraphError> {
    let mut built = Vec::with_capacity(variants.len());
    for (width, x) in variants {
        let y = b.scope(name, |b| b.scope(format!("from_{width}"), |b| module(b, *x)))?;
        built.push((width.clone(), y));
    }
    choose(b, name, choice.to_owned(), built)
}
