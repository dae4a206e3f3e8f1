//! Operators that change shapes: other sizes, other orders, parts, padding.

use nasprof_graph::{NodeId, Op, PadMode, Shape};

use super::super::schema::NodeProto;
use super::attributes::Attributes;
use super::axes::{Part, axis_in, reshaped, squeezed, unsqueezed};
use super::fold::single_index;
use super::reader::Reader;

impl<'a> Reader<'a> {
    pub(super) fn reshape(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let dims = self.shape(x).0.clone();
        let new = match node.op_type.as_str() {
            "Flatten" => {
                let axis = attributes.int("axis")?.unwrap_or(1);
                // The axis may also be one after the last.
                let axis = if axis == dims.len() as i64 { dims.len() } else { axis_in(axis, dims.len())? };
                vec![dims[..axis].iter().product(), dims[axis..].iter().product()]
            }
            "Squeeze" => squeezed(&dims, self.axes(node, attributes, 1)?.as_deref())?,
            "Unsqueeze" => unsqueezed(&dims, &self.axes(node, attributes, 1)?.ok_or("its axes are missing")?)?,
            _ => {
                let wanted = match attributes.ints("shape")? {
                    Some(shape) => shape,
                    None => self.ints(node, 1)?.ok_or("its shape is missing")?,
                };
                let allow_zero = attributes.int("allowzero")?.unwrap_or(0) != 0;
                reshaped(&dims, &wanted, allow_zero)
                    .ok_or_else(|| format!("cannot reshape {} to {wanted:?}", self.shape(x)))?
            }
        };
        self.reshaped(x, &new)
    }

    /// A value in another shape, which must have as many elements.
    pub(super) fn reshaped(&mut self, x: NodeId, dims: &[usize]) -> Result<NodeId, String> {
        let shape = self.shape(x);
        let op = match dims {
            _ if shape.0 == dims => Op::Identity,
            [batch, _] if *batch == shape.batch() && shape.rank() > 1 => Op::Flatten,
            [_, rest @ ..] => Op::Reshape { rest: rest.to_vec() },
            [] => Op::Reshape { rest: Vec::new() },
        };
        self.add(op, &[x])
    }

    pub(super) fn transpose(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let rank = self.shape(x).rank();
        let order = match attributes.ints("perm")? {
            None => (0..rank).rev().collect(),
            Some(order) => order.iter().map(|&axis| axis_in(axis, rank)).collect::<Result<Vec<_>, _>>()?,
        };
        self.transposed(x, &order)
    }

    /// A value with its axes in another order. If only axes of size 1 move, no element moves.
    pub(super) fn transposed(&mut self, x: NodeId, order: &[usize]) -> Result<NodeId, String> {
        let dims = self.shape(x).0.clone();
        let is_order = order.len() == dims.len() && (0..dims.len()).all(|axis| order.contains(&axis));
        let moved: Vec<usize> = order.iter().copied().filter(|&axis| dims.get(axis).is_some_and(|&d| d != 1)).collect();
        if is_order && moved.is_sorted() {
            let new: Vec<usize> = order.iter().map(|&axis| dims[axis]).collect();
            return self.reshaped(x, &new);
        }
        self.add(Op::Transpose { order: order.to_vec() }, &[x])
    }

    /// Blocks of channels to blocks of a map, or back: two views and a transposition.
    pub(super) fn depth_and_space(
        &mut self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
    ) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let block = attributes.int("blocksize")?.ok_or("`blocksize` is missing")?;
        let mode = attributes.one_of("mode", &["DCR", "CRD"])?;
        let Shape(dims) = self.shape(x).clone();
        let block = usize::try_from(block).ok().filter(|&b| b > 0 && b <= 1 << 16).ok_or("`blocksize` is invalid")?;
        let &[n, c, h, w] = &dims[..] else { return Err(format!("its input has the shape {}", Shape(dims))) };
        let (split, order, joined) = if node.op_type == "DepthToSpace" {
            let channels = c / (block * block);
            let (split, order) = match mode {
                "DCR" => ([n, block, block, channels, h, w], [0, 3, 4, 1, 5, 2]),
                _ => ([n, channels, block, block, h, w], [0, 1, 4, 2, 5, 3]),
            };
            (split, order, [n, channels, h * block, w * block])
        } else {
            let split = [n, c, h / block, block, w / block, block];
            (split, [0, 3, 5, 1, 2, 4], [n, c * block * block, h / block, w / block])
        };
        if joined.iter().try_fold(1_u64, |all, &size| all.checked_mul(size as u64)) != Some(self.shape(x).elements()) {
            return Err(format!("blocks of {block} do not divide {}", self.shape(x)));
        }
        let x = self.reshaped(x, &split)?;
        let x = self.transposed(x, &order)?;
        self.reshaped(x, &joined)
    }

    pub(super) fn slice(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let mut x = self.operand(node, 0)?;
        let dims = self.shape(x).0.clone();
        let mut parts = self.slice_parts(node, attributes, &dims)?;
        parts.retain(|part| (part.start, part.step, part.count) != (0, 1, dims[part.axis]));
        if let Some(empty) = parts.iter().find(|part| part.count == 0) {
            return Err(format!("axis {} is empty after the slice", empty.axis));
        }
        let reaches_end = |part: &Part| part.step == 1 && part.start as usize + part.count == dims[part.axis];
        if dims.len() == 4 && !parts.is_empty() && parts.iter().all(|part| part.axis >= 2 && reaches_end(part)) {
            let cut = |axis| parts.iter().find(|part| part.axis == axis).map_or(0, |part| part.start as usize);
            return self.add(Op::Crop { top: cut(2), left: cut(3) }, &[x]);
        }
        if parts.is_empty() {
            return self.add(Op::Identity, &[x]);
        }
        for Part { axis, start, step, count } in parts {
            x = match usize::try_from(step) {
                Ok(step) => {
                    let start = start as usize;
                    self.add(Op::Slice { axis, start, end: start + (count - 1) * step + 1, step }, &[x])?
                }
                // A backward slice copies elements one by one.
                Err(_) => self.add(Op::Gather { axis, count }, &[x])?,
            };
        }
        Ok(x)
    }

    pub(super) fn split(
        &mut self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
    ) -> Result<Vec<NodeId>, String> {
        let x = self.operand(node, 0)?;
        let (axis, sizes) = self.split_sizes(node, attributes, &self.shape(x).0)?;
        if sizes.contains(&0) {
            return Err(format!("a part of {sizes:?} is empty"));
        }
        let mut start = 0;
        let mut parts = Vec::with_capacity(sizes.len());
        for size in sizes {
            parts.push(self.add(Op::Slice { axis, start, end: start + size, step: 1 }, &[x])?);
            start += size;
        }
        Ok(parts)
    }

    pub(super) fn gather(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let dims = self.shape(x).0.clone();
        let axis = axis_in(attributes.int("axis")?.unwrap_or(0), dims.len())?;
        let indices = self.constant(node, 1)?.ok_or("its indices are missing")?.clone();
        if let Some(index) = single_index(&indices, dims[axis]) {
            let x = self.add(Op::Slice { axis, start: index, end: index + 1, step: 1 }, &[x])?;
            return self.reshaped(x, &[&dims[..axis], &dims[axis + 1..]].concat());
        }
        let outside = |values: &[f64]| values.iter().any(|&i| i >= dims[axis] as f64 || i < -(dims[axis] as f64));
        if indices.values().is_some_and(|values| outside(&values)) {
            return Err(format!("an index is outside of {}", dims[axis]));
        }
        let sizes = indices.sizes().map_err(|problem| format!("its indices {problem}"))?;
        let count = sizes.iter().product();
        let x = self.add(Op::Gather { axis, count }, &[x])?;
        self.reshaped(x, &[&dims[..axis], &sizes[..], &dims[axis + 1..]].concat())
    }

    pub(super) fn expand(&mut self, node: &'a NodeProto) -> Result<NodeId, String> {
        let sizes = self.ints(node, 1)?.ok_or("its shape is missing")?;
        let sizes: Option<Vec<usize>> = sizes.iter().map(|&size| usize::try_from(size).ok()).collect();
        let shape = Shape(sizes.ok_or("its shape is invalid")?);
        let x = self.operand_of_rank(node, 0, shape.rank())?;
        let id = self.add(Op::Expand { shape }, &[x])?;
        Ok(id)
    }

    /// The value concatenated with itself.
    pub(super) fn tile(&mut self, node: &'a NodeProto) -> Result<NodeId, String> {
        const MOST: i64 = 64;
        let mut x = self.operand(node, 0)?;
        let repeats = self.ints(node, 1)?.ok_or("its repeats are missing")?;
        if repeats.len() != self.shape(x).rank() || repeats.iter().any(|count| !(1..=MOST).contains(count)) {
            return Err(format!("repeats {repeats:?} of {} are not supported", self.shape(x)));
        }
        for (axis, &count) in repeats.iter().enumerate().filter(|(_, count)| **count > 1) {
            x = self.add(Op::Concat { axis }, &vec![x; count as usize])?;
        }
        if repeats.iter().all(|&count| count == 1) { self.add(Op::Identity, &[x]) } else { Ok(x) }
    }

    pub(super) fn padding(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let rank = self.shape(x).rank();
        let mode = match attributes.one_of("mode", &["constant", "reflect", "edge"])? {
            "reflect" => PadMode::Reflect,
            "edge" => PadMode::Edge,
            _ => PadMode::Constant,
        };
        attributes.ignore(&["value"]);
        let given = attributes.ints("pads")?;
        let given = given.map_or_else(|| self.ints(node, 1), |pads| Ok(Some(pads)))?.ok_or("its padding is missing")?;
        let axes = match self.ints(node, 3)? {
            Some(axes) => axes.iter().map(|&axis| axis_in(axis, rank)).collect::<Result<Vec<_>, _>>()?,
            None => (0..rank).collect(),
        };
        let sizes: Option<Vec<usize>> = given.iter().map(|&size| usize::try_from(size).ok()).collect();
        let sizes = sizes.filter(|sizes| sizes.len() == 2 * axes.len());
        let sizes = sizes.ok_or_else(|| format!("`pads` {given:?} of {} are not supported", self.shape(x)))?;
        let mut pads = vec![[0; 2]; rank];
        for (i, &axis) in axes.iter().enumerate() {
            pads[axis] = [sizes[i], sizes[axes.len() + i]];
        }
        self.padded(x, pads, mode)
    }

    /// A value with padding around it.
    pub(super) fn padded(&mut self, x: NodeId, pads: Vec<[usize; 2]>, mode: PadMode) -> Result<NodeId, String> {
        let padded: Vec<usize> = (0..pads.len()).filter(|&axis| pads[axis] != [0, 0]).collect();
        if let ([axis], true) = (&padded[..], mode != PadMode::Constant)
            && (*axis < 2 || pads.len() > 5)
        {
            // libtorch mirrors spatial axes only: the value becomes a map whose rows are padded.
            let (axis, dims) = (*axis, self.shape(x).0.clone());
            let (before, after) = (dims[..axis].iter().product(), dims[axis + 1..].iter().product());
            let map = self.reshaped(x, &[1, before, dims[axis], after])?;
            let of_map = vec![[0, 0], [0, 0], pads[axis], [0, 0]];
            let map = self.add(Op::PadNd { pads: of_map, mode }, &[map])?;
            let mut new = dims;
            new[axis] += pads[axis][0] + pads[axis][1];
            return self.reshaped(map, &new);
        }
        let op = match (&pads[..], mode) {
            (all, _) if all.iter().all(|pad| *pad == [0, 0]) => Op::Identity,
            ([[0, 0], [0, 0], [top, bottom], [left, right]], PadMode::Constant) => {
                Op::Pad { padding: [*top, *bottom, *left, *right] }
            }
            _ => Op::PadNd { pads, mode },
        };
        self.add(op, &[x])
    }
}
