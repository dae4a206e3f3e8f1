//! Convolutions and pools, with their windows and padding.

use nasprof_graph::{NodeId, Op};

use super::super::schema::NodeProto;
use super::attributes::Attributes;
use super::reader::Reader;

/// A window as ONNX describes it.
struct Window {
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Top, left, bottom, right.
    pads: [usize; 4],
}

impl Window {
    /// The window over a map of the given height and width; `kernel` where the attributes need not say it.
    fn take(attributes: &mut Attributes<'_>, map: [usize; 2], kernel: Option<[usize; 2]>) -> Result<Self, String> {
        let given = sizes(attributes, "kernel_shape")?;
        let kernel = match (kernel, given) {
            (Some(of_weight), Some(given)) if of_weight != given => {
                return Err(format!("`kernel_shape` {given:?} is not that of its weight, {of_weight:?}"));
            }
            (kernel, given) => kernel.or(given).ok_or("`kernel_shape` is missing")?,
        };
        let stride = sizes(attributes, "strides")?.unwrap_or([1, 1]);
        let dilation = sizes(attributes, "dilations")?.unwrap_or([1, 1]);
        let pads = sizes(attributes, "pads")?;
        let pads = match attributes.one_of("auto_pad", &["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])? {
            "NOTSET" => pads.unwrap_or([0; 4]),
            _ if pads.is_some_and(|pads| pads != [0; 4]) => return Err("it has both `pads` and `auto_pad`".to_owned()),
            "VALID" => [0; 4],
            which => same(map, kernel, stride, dilation, which == "SAME_UPPER")?,
        };
        Ok(Self { kernel, stride, dilation, pads })
    }

    /// The padding, if it is as much before as after.
    fn symmetric(&self) -> Option<[usize; 2]> {
        let [top, left, bottom, right] = self.pads;
        (top == bottom && left == right).then_some([top, left])
    }

    /// Refuses a last window that reaches over the border, unless there is none.
    fn check_ceil_mode(&self, ceil: i64, map: [usize; 2]) -> Result<(), String> {
        let reaches_over = |axis: usize| {
            let padded = map[axis].checked_add(self.pads[axis])?.checked_add(self.pads[axis + 2])?;
            Some(padded.checked_sub(self.kernel[axis])? % self.stride[axis].max(1) != 0)
        };
        if ceil != 0 && (0..2).any(|axis| reaches_over(axis).unwrap_or(false)) {
            return Err("`ceil_mode` 1 is not supported where a window reaches over the border".to_owned());
        }
        Ok(())
    }
}

/// As many outputs as the stride gives, whatever the kernel (`SAME_UPPER`: the odd one comes after).
fn same(
    map: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    upper: bool,
) -> Result<[usize; 4], String> {
    let mut pads = [0; 4];
    for axis in 0..2 {
        let needed = || {
            let outputs = map[axis].checked_add(stride[axis])?.checked_sub(1)?.checked_div(stride[axis])?;
            let window = kernel[axis].checked_sub(1)?.checked_mul(dilation[axis])?.checked_add(1)?;
            let reach = outputs.checked_sub(1)?.checked_mul(stride[axis])?.checked_add(window)?;
            Some(reach.saturating_sub(map[axis]))
        };
        let total = needed().ok_or("its window is too large or empty")?;
        let (less, more) = (total / 2, total - total / 2);
        (pads[axis], pads[axis + 2]) = if upper { (less, more) } else { (more, less) };
    }
    Ok(pads)
}

/// An attribute of `N` sizes.
fn sizes<const N: usize>(attributes: &mut Attributes<'_>, name: &str) -> Result<Option<[usize; N]>, String> {
    let Some(values) = attributes.ints(name)? else { return Ok(None) };
    let sizes: Option<Vec<usize>> = values.iter().map(|&v| usize::try_from(v).ok()).collect();
    let sizes = sizes.and_then(|sizes| sizes.try_into().ok());
    sizes.map(Some).ok_or_else(|| format!("`{name}` {values:?} is not supported (only {N} sizes, for two dimensions)"))
}

impl<'a> Reader<'a> {
    fn map_of(&self, id: NodeId) -> Result<[usize; 2], String> {
        match self.shape(id).0[..] {
            [_, _, height, width] => Ok([height, width]),
            _ => Err(format!("its input has the shape {}; only two-dimensional maps are supported", self.shape(id))),
        }
    }

    pub(super) fn conv(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let mut x = self.operand(node, 0)?;
        let map = self.map_of(x)?;
        let weight: [usize; 4] =
            self.weight(node, 1)?.try_into().map_err(|_| "only two-dimensional convolutions are supported")?;
        let [out_channels, in_per_group, height, width] = weight;
        let window = Window::take(attributes, map, Some([height, width]))?;
        let groups = attributes.int("group")?.unwrap_or(1);
        let groups = usize::try_from(groups).map_err(|_| format!("`group` {groups} is invalid"))?;
        let channels = self.shape(x).channels();
        if in_per_group.checked_mul(groups) != Some(channels) {
            return Err(format!(
                "its weight is for {in_per_group} channels in {groups} groups, the input has {channels}"
            ));
        }
        let bias = self.bias(node, 2, out_channels)?;
        let pad = match window.symmetric() {
            Some(pad) => pad,
            None => {
                // The zeros as an operation of their own, as libtorch has to do it.
                let [top, left, bottom, right] = window.pads;
                x = self.add(Op::Pad { padding: [top, bottom, left, right] }, &[x])?;
                [0, 0]
            }
        };
        self.share(node, 1);
        let Window { kernel, stride, dilation, .. } = window;
        self.add(Op::Conv { out_channels, kernel, stride, pad, dilation, groups, bias, activation: None }, &[x])
    }

    pub(super) fn pool(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let map = self.map_of(x)?;
        let window = Window::take(attributes, map, None)?;
        window.check_ceil_mode(attributes.int("ceil_mode")?.unwrap_or(0), map)?;
        if window.dilation != [1, 1] {
            return Err("dilated pools are not supported".to_owned());
        }
        let pad = window.symmetric().ok_or("padding that differs between the sides is not supported for pools")?;
        let Window { kernel, stride, .. } = window;
        let op = if node.op_type == "MaxPool" {
            attributes.ignore(&["storage_order"]);
            Op::MaxPool { kernel, stride, pad }
        } else {
            let count_padding = attributes.int("count_include_pad")?.unwrap_or(0) != 0;
            Op::AvgPool { kernel, stride, pad, count_padding }
        };
        self.add(op, &[x])
    }
}
