//! Resizes maps.

use nasprof_graph::{NodeId, Op, ResizeMode};

use super::super::schema::NodeProto;
use super::attributes::Attributes;
use super::reader::Reader;

impl<'a> Reader<'a> {
    /// Resizes to given sizes or by given scales. The rounding of coordinates is ignored: it changes values, not the
    /// cost.
    pub(super) fn resize(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let shape = self.shape(x).clone();
        attributes.ignore(&[
            "coordinate_transformation_mode",
            "cubic_coeff_a",
            "exclude_outside",
            "extrapolation_value",
            "nearest_mode",
        ]);
        attributes.expect("antialias", 0)?;
        attributes.one_of("keep_aspect_ratio_policy", &["stretch"])?;
        let mode = match attributes.one_of("mode", &["nearest", "linear", "bilinear", "cubic"])? {
            "nearest" => ResizeMode::Nearest,
            "cubic" => ResizeMode::Bicubic,
            _ => ResizeMode::Bilinear,
        };
        let axes = attributes.ints("axes")?;
        let rank = shape.rank();
        let axes = match axes {
            Some(axes) => axes.iter().map(|&axis| super::axes::axis_in(axis, rank)).collect::<Result<Vec<_>, _>>()?,
            None => (0..rank).collect(),
        };
        let scales = self.scales(node, attributes)?;
        let sizes: Vec<usize> = match (&scales, self.sizes_after(node)?) {
            (Some(scales), _) => {
                if scales.len() != axes.len() {
                    return Err(format!("{} scales for {} axes", scales.len(), axes.len()));
                }
                let scaled = |(&axis, &scale): (&usize, &f64)| (shape.0[axis] as f64 * scale).floor() as usize;
                axes.iter().zip(scales).map(scaled).collect()
            }
            (None, Some(sizes)) if sizes.len() == axes.len() => sizes
                .iter()
                .map(|&size| usize::try_from(size).map_err(|_| format!("new sizes {sizes:?} are invalid")))
                .collect::<Result<_, _>>()?,
            _ => return Err("its new sizes are missing".to_owned()),
        };
        let mut new = shape.0.clone();
        for (&axis, size) in axes.iter().zip(sizes) {
            new[axis] = size;
        }
        match (&shape.0[..], &new[..]) {
            (&[n, c, _, _], &[new_n, new_c, height, width]) if [n, c] == [new_n, new_c] => {
                self.add(Op::Resize { size: [height, width], mode }, &[x])
            }
            // A line becomes a map of one row.
            (&[n, c, length], &[new_n, new_c, size]) if [n, c] == [new_n, new_c] => {
                let map = self.reshaped(x, &[n, c, 1, length])?;
                let map = self.add(Op::Resize { size: [1, size], mode }, &[map])?;
                self.reshaped(map, &[n, c, size])
            }
            _ => Err(format!("new sizes {new:?} of {shape} are not supported")),
        }
    }

    /// The scales: an attribute until version 8, then the second input, from version 11 on the third input.
    fn scales(&self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<Option<Vec<f64>>, String> {
        if let Some(scales) = attributes.floats("scales")? {
            return Ok(Some(scales.into_iter().map(f64::from).collect()));
        }
        let index = if node.op_type == "Upsample" || self.version < 11 { 1 } else { 2 };
        let Some(tensor) = self.constant(node, index)? else { return Ok(None) };
        if tensor.elements() == Some(0) {
            return Ok(None);
        }
        let values = tensor.values().ok_or("its scales are not known before the model runs")?;
        if values.iter().any(|scale| !(scale.is_finite() && *scale > 0.0)) {
            return Err(format!("scales {values:?} are invalid"));
        }
        Ok(Some(values.to_vec()))
    }

    fn sizes_after(&self, node: &'a NodeProto) -> Result<Option<Vec<i64>>, String> {
        if node.op_type == "Upsample" || self.version < 11 { Ok(None) } else { self.ints(node, 3) }
    }
}
