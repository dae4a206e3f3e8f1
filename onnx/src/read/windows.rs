//! Convolutions and pools, with their windows and padding.

use nasprof_graph::{NodeId, Op, PadMode, Reduction};

use super::super::schema::NodeProto;
use super::attributes::Attributes;
use super::reader::Reader;

/// A window as ONNX describes it, with as many sizes as the map has dimensions.
struct Window {
    kernel: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    /// Padding before and after, for each dimension.
    pads: Vec<[usize; 2]>,
}

/// How much padding a window gets.
enum Padding {
    /// As given in `pads`.
    Given,
    /// Enough to keep the map's size; `upper`: an odd element comes after the map.
    Same { upper: bool },
}

impl Window {
    /// The window over a map; `kernel` if the weight gives it and the attributes may omit it.
    fn take(
        attributes: &mut Attributes<'_>,
        map: &[usize],
        kernel: Option<&[usize]>,
    ) -> Result<(Self, Padding), String> {
        let dimensions = map.len();
        let given = sizes(attributes, "kernel_shape", dimensions)?;
        let kernel = match (kernel, given) {
            (Some(of_weight), Some(given)) if of_weight != given => {
                return Err(format!("`kernel_shape` {given:?} is not that of its weight, {of_weight:?}"));
            }
            (Some(of_weight), _) => of_weight.to_vec(),
            (None, given) => given.ok_or("`kernel_shape` is missing")?,
        };
        let ones = || vec![1; dimensions];
        let stride = sizes(attributes, "strides", dimensions)?.unwrap_or_else(ones);
        let dilation = sizes(attributes, "dilations", dimensions)?.unwrap_or_else(ones);
        let pads = sizes(attributes, "pads", 2 * dimensions)?;
        let auto = attributes.one_of("auto_pad", &["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])?;
        if auto != "NOTSET" && pads.as_ref().is_some_and(|pads| pads.iter().any(|&pad| pad != 0)) {
            return Err("it has both `pads` and `auto_pad`".to_owned());
        }
        let pads = match pads {
            Some(pads) => (0..dimensions).map(|axis| [pads[axis], pads[axis + dimensions]]).collect(),
            None => vec![[0, 0]; dimensions],
        };
        let padding = match auto {
            "SAME_UPPER" => Padding::Same { upper: true },
            "SAME_LOWER" => Padding::Same { upper: false },
            _ => Padding::Given,
        };
        Ok((Self { kernel, stride, dilation, pads }, padding))
    }

    /// Pads so that the number of outputs depends on the stride only, not on the kernel.
    fn keep_size(&mut self, map: &[usize], upper: bool) -> Result<(), String> {
        for (axis, &size) in map.iter().enumerate() {
            let needed = || {
                let stride = self.stride[axis];
                let outputs = size.checked_add(stride)?.checked_sub(1)?.checked_div(stride)?;
                let window = self.kernel[axis].checked_sub(1)?.checked_mul(self.dilation[axis])?.checked_add(1)?;
                let reach = outputs.checked_sub(1)?.checked_mul(stride)?.checked_add(window)?;
                Some(reach.saturating_sub(size))
            };
            let total = needed().ok_or("its window is too large or empty")?;
            self.pads[axis] = halves(total, upper);
        }
        Ok(())
    }

    /// The padding, if it is equal before and after.
    fn symmetric(&self) -> Option<Vec<usize>> {
        self.pads.iter().map(|[before, after]| (before == after).then_some(*before)).collect()
    }

    /// Whether a last window reaches beyond the border.
    fn reaches_over(&self, map: &[usize]) -> bool {
        let over = |axis: usize| {
            let padded = map[axis].checked_add(self.pads[axis][0])?.checked_add(self.pads[axis][1])?;
            let span = self.kernel[axis].checked_sub(1)?.checked_mul(self.dilation[axis])?.checked_add(1)?;
            Some(padded.checked_sub(span)? % self.stride[axis].max(1) != 0)
        };
        (0..map.len()).any(|axis| over(axis).unwrap_or(false))
    }
}

fn halves(total: usize, upper: bool) -> [usize; 2] {
    let (less, more) = (total / 2, total - total / 2);
    if upper { [less, more] } else { [more, less] }
}

/// An attribute that lists `count` sizes.
fn sizes(attributes: &mut Attributes<'_>, name: &str, count: usize) -> Result<Option<Vec<usize>>, String> {
    let Some(values) = attributes.ints(name)? else { return Ok(None) };
    let sizes: Option<Vec<usize>> = values.iter().map(|&v| usize::try_from(v).ok()).collect();
    let sizes = sizes.filter(|sizes| sizes.len() == count);
    sizes.map(Some).ok_or_else(|| format!("`{name}` {values:?} is not supported (only {count} sizes)"))
}

impl<'a> Reader<'a> {
    /// The spatial sizes: height and width, or those of one or three dimensions.
    fn map_of(&self, id: NodeId) -> Result<Vec<usize>, String> {
        match &self.shape(id).0[..] {
            [_, _, map @ ..] if (1..=3).contains(&map.len()) => Ok(map.to_vec()),
            _ => Err(format!(
                "its input has the shape {}; only maps of one to three dimensions are supported",
                self.shape(id)
            )),
        }
    }

    pub(super) fn conv(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let mut x = self.operand(node, 0)?;
        let map = self.map_of(x)?;
        let weight = self.weight(node, 1)?;
        let [out_channels, in_per_group, of_weight @ ..] = &weight[..] else {
            return Err(format!("its weight has {} dimensions", weight.len()));
        };
        if of_weight.len() != map.len() {
            return Err(format!("its weight has {} dimensions, its input {}", weight.len(), map.len() + 2));
        }
        let (mut window, padding) = Window::take(attributes, &map, Some(of_weight))?;
        if let Padding::Same { upper } = padding {
            window.keep_size(&map, upper)?;
        }
        let groups = self.groups(attributes)?;
        let channels = self.shape(x).channels();
        if in_per_group.checked_mul(groups) != Some(channels) {
            return Err(format!(
                "its weight is for {in_per_group} channels in {groups} groups, the input has {channels}"
            ));
        }
        let out_channels = *out_channels;
        let bias = self.bias(node, 2, out_channels)?;
        let pad = match window.symmetric() {
            Some(pad) => pad,
            None => {
                // The zeros become a separate operation, as libtorch has to do it.
                let pads = [&[[0, 0], [0, 0]], &window.pads[..]].concat();
                x = self.padded(x, pads, PadMode::Constant)?;
                vec![0; map.len()]
            }
        };
        self.share(node, 1);
        let Window { kernel, stride, dilation, .. } = window;
        let op = match (pair(&kernel), pair(&stride), pair(&pad), pair(&dilation)) {
            (Some(kernel), Some(stride), Some(pad), Some(dilation)) => {
                Op::Conv { out_channels, kernel, stride, pad, dilation, groups, bias, activation: None }
            }
            _ => {
                let output_pad = vec![0; map.len()];
                let transposed = false;
                Op::ConvNd { out_channels, kernel, stride, pad, dilation, output_pad, groups, bias, transposed }
            }
        };
        self.add(op, &[x])
    }

    fn groups(&self, attributes: &mut Attributes<'a>) -> Result<usize, String> {
        let groups = attributes.int("group")?.unwrap_or(1);
        usize::try_from(groups).map_err(|_| format!("`group` {groups} is invalid"))
    }

    pub(super) fn conv_transpose(
        &mut self,
        node: &'a NodeProto,
        attributes: &mut Attributes<'a>,
    ) -> Result<NodeId, String> {
        let x = self.operand(node, 0)?;
        let map = self.map_of(x)?;
        let weight = self.weight(node, 1)?;
        let [in_channels, out_per_group, of_weight @ ..] = &weight[..] else {
            return Err(format!("its weight has {} dimensions", weight.len()));
        };
        if of_weight.len() != map.len() || *in_channels != self.shape(x).channels() {
            return Err(format!("its weight {weight:?} does not fit its input {}", self.shape(x)));
        }
        let (mut window, padding) = Window::take(attributes, &map, Some(of_weight))?;
        let groups = self.groups(attributes)?;
        let out_channels = out_per_group.checked_mul(groups).ok_or("its weight is too large")?;
        let bias = self.bias(node, 2, out_channels)?;
        let output_pad = sizes(attributes, "output_padding", map.len())?.unwrap_or_else(|| vec![0; map.len()]);
        let wanted = match (sizes(attributes, "output_shape", map.len())?, &padding) {
            (Some(shape), _) => Some(shape),
            (None, Padding::Same { .. }) => {
                let scaled = |(size, stride): (&usize, &usize)| size.checked_mul(*stride);
                let shape: Option<Vec<usize>> = map.iter().zip(&window.stride).map(scaled).collect();
                Some(shape.ok_or("its stride is too large")?)
            }
            (None, Padding::Given) => None,
        };
        if let Some(wanted) = wanted {
            for axis in 0..map.len() {
                let full = window.span_of_outputs(axis, map[axis]).and_then(|full| full.checked_add(output_pad[axis]));
                let total = full.and_then(|full| full.checked_sub(wanted[axis]));
                let total = total.ok_or_else(|| format!("its padding cannot give an output of {wanted:?}"))?;
                window.pads[axis] = halves(total, !matches!(padding, Padding::Same { upper: false }));
            }
        }
        // Elements that are cut off on one side only are cut from the result.
        let pad: Vec<usize> = window.pads.iter().map(|[before, after]| *before.min(after)).collect();
        self.share(node, 1);
        let Window { kernel, stride, dilation, pads } = window;
        let op = Op::ConvNd {
            out_channels,
            kernel,
            stride,
            pad: pad.clone(),
            dilation,
            output_pad,
            groups,
            bias,
            transposed: true,
        };
        let mut y = self.add(op, &[x])?;
        for (axis, ([before, after], pad)) in pads.iter().zip(pad).enumerate() {
            let (start, size) = (before - pad, self.shape(y).0[axis + 2]);
            let end = size.checked_sub(after - pad).filter(|&end| end > start).ok_or("its padding leaves no output")?;
            if (start, end) != (0, size) {
                y = self.add(Op::Slice { axis: axis + 2, start, end, step: 1 }, &[y])?;
            }
        }
        Ok(y)
    }

    pub(super) fn pool(&mut self, node: &'a NodeProto, attributes: &mut Attributes<'a>) -> Result<NodeId, String> {
        let mut x = self.operand(node, 0)?;
        let map = self.map_of(x)?;
        let (mut window, padding) = Window::take(attributes, &map, None)?;
        if let Padding::Same { upper } = padding {
            window.keep_size(&map, upper)?;
        }
        let ceil = attributes.int("ceil_mode")?.unwrap_or(0) != 0 && window.reaches_over(&map);
        attributes.ignore(&["storage_order"]);
        let count_padding = attributes.int("count_include_pad")?.unwrap_or(0) != 0;
        let is_max = node.op_type == "MaxPool";
        let fits = |pad: &Vec<usize>| pad.iter().zip(&window.kernel).all(|(pad, kernel)| *pad <= kernel / 2);
        let pad = match window.symmetric().filter(fits) {
            Some(pad) => pad,
            None => {
                let pads = [&[[0, 0], [0, 0]], &window.pads[..]].concat();
                x = self.padded(x, pads, PadMode::Constant)?;
                vec![0; map.len()]
            }
        };
        let Window { kernel, stride, dilation, .. } = window;
        let is_plain = !ceil && dilation.iter().all(|&d| d == 1);
        let op = match (pair(&kernel), pair(&stride), pair(&pad)) {
            (Some(kernel), Some(stride), Some(pad)) if is_plain && is_max => Op::MaxPool { kernel, stride, pad },
            (Some(kernel), Some(stride), Some(pad)) if is_plain => Op::AvgPool { kernel, stride, pad, count_padding },
            _ => {
                let kind = if is_max { Reduction::Max } else { Reduction::Mean };
                Op::PoolNd { kind, kernel, stride, pad, dilation, ceil, count_padding }
            }
        };
        self.add(op, &[x])
    }
}

impl Window {
    /// The outputs of a transposed convolution without padding.
    fn span_of_outputs(&self, axis: usize, size: usize) -> Option<usize> {
        let window = self.kernel[axis].checked_sub(1)?.checked_mul(self.dilation[axis])?.checked_add(1)?;
        size.checked_sub(1)?.checked_mul(self.stride[axis])?.checked_add(window)
    }
}

/// The sizes of a map of two dimensions.
fn pair(sizes: &[usize]) -> Option<[usize; 2]> {
    sizes.try_into().ok()
}
