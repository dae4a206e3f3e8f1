//! The numbers in a layer's attributes and input shapes.

use nasprof_lut::Row;

/// Numbers of a layer; absent if its operation has none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Layer {
    /// `HxW`.
    pub(super) kernel: Option<String>,
    /// `HxW`; 1x1 if the operation has a kernel but no stride attribute.
    pub(super) stride: Option<String>,
    pub(super) out_channels: Option<u64>,
    pub(super) groups: Option<u64>,
    /// Channels, height and width of its first input.
    pub(super) input: Option<[u64; 3]>,
    /// Features of its first input, if that is no image.
    pub(super) in_features: Option<u64>,
    /// Height and width of its output, of convolutions and pooling.
    pub(super) output: Option<[u64; 2]>,
}

impl Layer {
    pub(super) fn of(row: &Row) -> Self {
        Self::parse(&row.op, &row.attributes, &row.input_shapes)
    }

    fn parse(op: &str, attributes: &str, shapes: &str) -> Self {
        let value = |name: &str| attributes.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let pair = |name: &str| value(name).and_then(|text| numbers(text).try_into().ok());
        let first = numbers(shapes.split(',').next().unwrap_or_default());
        let input: Option<[u64; 3]> = first.clone().try_into().ok();
        let kernel: Option<[u64; 2]> = pair("kernel");
        let stride: [u64; 2] = pair("stride").unwrap_or([1, 1]);
        let (pad, dilation): ([u64; 2], [u64; 2]) = (pair("pad").unwrap_or([0, 0]), pair("dilation").unwrap_or([1, 1]));
        let size = |axis: usize, kernel: [u64; 2]| {
            let covered = dilation[axis].checked_mul(kernel[axis].checked_sub(1)?)?.checked_add(1)?;
            let padded = pad[axis].checked_mul(2)?.checked_add(input?[axis + 1])?;
            padded.checked_sub(covered)?.checked_div(stride[axis])?.checked_add(1)
        };
        let out = value("out").and_then(|text| text.parse().ok());
        Self {
            kernel: value("kernel").map(ToOwned::to_owned),
            stride: value("stride").map(ToOwned::to_owned).or_else(|| kernel.map(|_| "1x1".to_owned())),
            out_channels: out.or_else(|| kernel.and(input).map(|input| input[0])),
            groups: (op == "conv").then(|| value("groups").map_or(Some(1), |text| text.parse().ok())).flatten(),
            in_features: if let [features] = first[..] { Some(features) } else { None },
            output: kernel.and_then(|kernel| Some([size(0, kernel)?, size(1, kernel)?])),
            input,
        }
    }
}

/// The numbers of `AxBxC`; empty if a part is no number.
fn numbers(text: &str) -> Vec<u64> {
    text.split('x').map(str::parse).collect::<Result<_, _>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use nasprof_graph::key::attributes;
    use nasprof_graph::{LayerKey, Op};
    use nasprof_spaces::Space;

    use super::*;

    /// The sizes read from the texts agree with shape inference.
    #[test]
    fn sizes_are_those_of_the_graphs() {
        let mut seen = 0;
        for name in ["mobilenet-cifar10", "darts-cifar10", "zoph-cifar10"] {
            let space = Space::builtin(name).expect("it is built in");
            let graph = &space.graph;
            for (_, node) in graph.layers() {
                let inputs = graph.input_shapes(node);
                let key = LayerKey::new(&node.op, &inputs);
                let shapes: Vec<String> = inputs.iter().map(|shape| shape.without_batch()).collect();
                let layer = Layer::parse(node.op.name(), &attributes(&node.op), &shapes.join(","));
                let Op::Conv { out_channels, groups, .. } = &node.op else { continue };
                let (out, input) = (&node.shape.0, &inputs[0].0);
                let as_whole = |n: usize| Some(n as u64);
                assert_eq!(layer.output.map(|o| [o[0] as usize, o[1] as usize]), Some([out[2], out[3]]), "{key}");
                assert_eq!((layer.out_channels, layer.groups), (as_whole(*out_channels), as_whole(*groups)), "{key}");
                assert_eq!(layer.input.map(|i| i[0]), as_whole(input[1]), "{key}");
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let huge = format!("kernel={0}x{0},pad={0}x{0},stride=0x0,groups=many", u64::MAX);
        let layer = Layer::parse("conv", &huge, "3x32x32");
        assert_eq!((layer.output, layer.groups, layer.in_features), (None, None, None));
        assert_eq!(Layer::parse("linear", "out=10", "64").in_features, Some(64));
        assert_eq!(Layer::parse("add", "", "8x4x4,8x4x4"), Layer { input: Some([8, 4, 4]), ..Layer::default() });
        assert_eq!(Layer::parse("odd", "", "-1xnan").input, None);
    }
}
