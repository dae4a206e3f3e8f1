//! Normalisations.

use std::ops::RangeInclusive;

use nasprof_graph::{NodeId, Op, Shape};

use super::super::schema::NodeProto;
use super::attributes::Attributes;
use super::axes::axis_in;
use super::operators::decimal;
use super::reader::Reader;

impl<'a> Reader<'a> {
    pub(super) fn batch_norm(
        &mut self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
    ) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        attributes.expect("training_mode", 0)?;
        // Until version 8: one statistic for each channel.
        attributes.expect("spatial", 1)?;
        attributes.ignore(&["momentum"]);
        let epsilon = decimal(attributes.float("epsilon")?.unwrap_or(1e-5));
        let channels = self.shape(x).channels();
        self.expect_weights(node, 1..=4, &[vec![channels]])?;
        self.share(node, 1);
        self.add(Op::BatchNorm { epsilon }, &[x])
    }

    /// Normalises over groups of channels, or over each channel.
    pub(super) fn group_norm(
        &mut self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
    ) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let epsilon = decimal(attributes.float("epsilon")?.unwrap_or(1e-5));
        let channels = self.shape(x).channels();
        attributes.ignore(&["stash_type"]);
        let groups = match attributes.int("num_groups")? {
            None if node.op_type == "InstanceNormalization" => channels,
            None => return Err("`num_groups` is missing".to_owned()),
            Some(groups) => usize::try_from(groups).map_err(|_| format!("`num_groups` {groups} is invalid"))?,
        };
        // Until version 20 a group has one scale.
        self.expect_weights(node, 1..=2, &[vec![channels], vec![groups]])?;
        self.share(node, 1);
        self.add(Op::GroupNorm { groups, epsilon }, &[x])
    }

    pub(super) fn layer_norm(
        &mut self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
    ) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let epsilon = decimal(attributes.float("epsilon")?.unwrap_or(1e-5));
        attributes.ignore(&["stash_type"]);
        let axis = axis_in(attributes.int("axis")?.unwrap_or(-1), self.shape(x).rank())?;
        let normalised = self.shape(x).0[axis..].to_vec();
        let bias = Self::name(node, 2).is_some();
        self.expect_weights(node, if bias { 1..=2 } else { 1..=1 }, &[normalised])?;
        self.share(node, 1);
        self.add(Op::LayerNorm { axis, epsilon, bias }, &[x])
    }

    /// Refuses weights with none of these shapes; messages name the first shape.
    fn expect_weights(
        &self,
        node: &'a NodeProto,
        indices: RangeInclusive<usize>,
        shapes: &[Vec<usize>],
    ) -> Result<(), String> {
        for index in indices {
            let dims = self.weight(node, index)?;
            if !shapes.contains(&dims) {
                let wanted = Shape(shapes[0].clone());
                return Err(format!("its input {index} has the shape {}, not {wanted}", Shape(dims)));
            }
        }
        Ok(())
    }
}
