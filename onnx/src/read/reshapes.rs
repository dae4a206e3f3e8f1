//! Operators that change shapes: flattening, cropping, padding, resizing.

use nasprof_graph::{Op, ResizeMode, Shape};

use super::super::schema::NodeProto;
use super::attributes::Attributes;
use super::operators::axis_of;
use super::reader::Reader;

impl<'a> Reader<'a> {
    pub(super) fn flatten(&self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<Op, String> {
        let shape = self.shape(self.operand(node, 0)?);
        let flat = [shape.batch() as u64, shape.elements() / shape.batch() as u64];
        let wanted = if node.op_type == "Flatten" {
            let axis = attributes.int("axis")?.unwrap_or(1);
            if axis == 1 || axis == 1 - shape.rank() as i64 { flat.to_vec() } else { Vec::new() }
        } else {
            attributes.expect("allowzero", 0)?;
            reshaped(shape, &self.ints(node, 1)?.ok_or("its shape is missing")?).unwrap_or_default()
        };
        let same = shape.0.iter().map(|&size| size as u64).eq(wanted.iter().copied());
        match (wanted == flat, same) {
            (_, true) => Ok(Op::Identity),
            (true, _) => Ok(Op::Flatten),
            _ => Err(format!("only {shape} to ({}, {}) is supported", flat[0], flat[1])),
        }
    }

    pub(super) fn crop(&self, node: &'a NodeProto) -> Result<Op, String> {
        let shape = self.shape(self.operand(node, 0)?);
        let (starts, ends) = (self.ints(node, 1)?, self.ints(node, 2)?);
        let (starts, ends) = starts.zip(ends).ok_or("its bounds are missing")?;
        let axes = self.ints(node, 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps = self.ints(node, 4)?.unwrap_or_else(|| vec![1; starts.len()]);
        if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
            return Err("its bounds have different lengths".to_owned());
        }
        let mut removed = vec![0; shape.rank()];
        for (((start, end), axis), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
            let axis = axis_of(*axis, shape)?;
            let whole = *end >= shape.0[axis] as i64;
            let start = usize::try_from(*start).ok().filter(|_| whole && *step == 1);
            removed[axis] = start.ok_or("only the top and the left can be kept")?;
        }
        match removed[..] {
            [0, 0, top, left] => Ok(Op::Crop { top, left }),
            _ => Err("only rows and columns of a map can be cropped".to_owned()),
        }
    }

    pub(super) fn padding(&self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<Op, String> {
        attributes.one_of("mode", &["constant"])?;
        let value = attributes.float("value")?.or(self.float(node, 2)?).unwrap_or(0.0);
        if value != 0.0 || Self::name(node, 3).is_some() {
            return Err("only zeros around the map are supported".to_owned());
        }
        let pads = attributes.ints("pads")?;
        let pads = pads.map_or_else(|| self.ints(node, 1), |pads| Ok(Some(pads)))?.ok_or("its padding is missing")?;
        let sizes: Option<Vec<usize>> = pads.iter().map(|&size| usize::try_from(size).ok()).collect();
        match sizes.as_deref() {
            Some(&[0, 0, top, left, 0, 0, bottom, right]) => Ok(Op::Pad { padding: [top, bottom, left, right] }),
            _ => Err(format!("`pads` {pads:?} are not supported (only zeros around the map)")),
        }
    }

    /// Only with the rounding that libtorch has.
    pub(super) fn resize(&self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<Op, String> {
        let shape = self.shape(self.operand(node, 0)?);
        let sizes = self.ints(node, 3)?.ok_or("only new sizes are supported, not scales")?;
        let size = match (&shape.0[..], &sizes[..]) {
            (&[n, c, ..], &[new_n, new_c, height, width]) if [n as i64, c as i64] == [new_n, new_c] => {
                usize::try_from(height).ok().zip(usize::try_from(width).ok())
            }
            _ => None,
        };
        let (height, width) = size.ok_or_else(|| format!("new sizes {sizes:?} of {shape} are not supported"))?;
        let size = [height, width];
        attributes.ignore(&["cubic_coeff_a", "extrapolation_value"]);
        attributes.expect("antialias", 0)?;
        attributes.expect("exclude_outside", 0)?;
        let mode = attributes.one_of("mode", &["nearest", "linear"])?;
        let coordinates = attributes.text("coordinate_transformation_mode")?.unwrap_or("half_pixel");
        let rounding = attributes.text("nearest_mode")?.unwrap_or("round_prefer_floor");
        match (mode, coordinates, rounding) {
            ("nearest", "asymmetric", "floor") => Ok(Op::Resize { size, mode: ResizeMode::Nearest }),
            ("linear", "half_pixel", _) => Ok(Op::Resize { size, mode: ResizeMode::Bilinear }),
            // Different only where one row or column is left.
            ("linear", "pytorch_half_pixel", _) if height > 1 && width > 1 => {
                Ok(Op::Resize { size, mode: ResizeMode::Bilinear })
            }
            _ => Err(format!("mode `{mode}` with `{coordinates}` and `{rounding}` is not supported")),
        }
    }
}

/// What `Reshape` makes of a shape: 0 keeps a size, -1 takes what is left.
fn reshaped(shape: &Shape, wanted: &[i64]) -> Option<Vec<u64>> {
    let mut sizes = Vec::with_capacity(wanted.len());
    for (axis, &size) in wanted.iter().enumerate() {
        sizes.push(match size {
            0 => Some(*shape.0.get(axis)? as u64),
            -1 => None,
            size => Some(u64::try_from(size).ok()?),
        });
    }
    let known = sizes.iter().flatten().try_fold(1_u64, |product, &size| product.checked_mul(size))?;
    let left = shape.elements().checked_div(known)?;
    let open = sizes.iter().filter(|size| size.is_none()).count();
    let fits = if open == 0 { left == 1 } else { open == 1 };
    (fits && shape.elements().is_multiple_of(known))
        .then(|| sizes.into_iter().map(|size| size.unwrap_or(left)).collect())
}
