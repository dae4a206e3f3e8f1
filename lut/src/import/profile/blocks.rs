//! Tables of whole blocks: ProxylessNAS and once-for-all in YAML, FBNet as NNI writes it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::error::ImportError;
use super::Layer;

/// The meaning of `expand`, which differs between the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expand {
    /// A factor on the input's channels.
    Ratio,
    /// The number of channels in the middle.
    Channels,
}

/// Entries like `expanded_conv-input:7x7x192-output:7x7x320-expand:6-kernel:5-stride:1-idskip:0:`, each with a `mean` in
/// milliseconds and a `count` below.
pub(super) fn yaml(text: &str, expand: Expand) -> Result<Vec<Layer>, ImportError> {
    let mut layers: Vec<(Layer, bool)> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let wrong = |problem: &str| ImportError::Format(format!("line {}: {problem}", i + 1));
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') || content == "---" {
            continue;
        }
        if !line.starts_with([' ', '\t']) {
            let name = content.strip_suffix(':').ok_or_else(|| wrong("expected a block and a colon"))?;
            let name = name.trim_matches(['\'', '"']);
            layers.push((block(name, expand).map_err(|problem| wrong(&problem))?, false));
            continue;
        }
        let (layer, has_mean) = layers.last_mut().ok_or_else(|| wrong("a value before the first block"))?;
        let (name, value) = content.split_once(':').ok_or_else(|| wrong("expected a name, a colon and a value"))?;
        match name {
            "mean" if *has_mean => return Err(wrong("duplicate `mean`")),
            "mean" => (layer.text, *has_mean) = (value.trim().to_owned(), true),
            "count" => layer.samples = value.trim().parse().map_err(|_| wrong("`count` is not a number"))?,
            _ => {}
        }
    }
    if let Some((layer, _)) = layers.iter().find(|(_, has_mean)| !has_mean) {
        return Err(ImportError::Format(format!("`{}` has no `mean`", layer.name)));
    }
    Ok(layers.into_iter().map(|(layer, _)| layer).collect())
}

/// A block by its name: the operator, then `name:value` in between dashes.
fn block(name: &str, expand: Expand) -> Result<Layer, String> {
    let mut parts = name.split('-');
    let operator = parts.next().unwrap_or_default();
    let fields: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once(':')).collect();
    if operator.is_empty() || !fields.contains_key("input") {
        return Err(format!("`{name}` does not name a block and its input"));
    }
    let sizes = |field: &str| -> Option<Vec<u64>> {
        fields.get(field)?.split('x').map(|size| size.parse().ok().filter(|&n| n > 0)).collect()
    };
    let input = sizes("input").ok_or_else(|| format!("`{name}`: its input is not a shape"))?;
    let number = |field: &str| fields.get(field).and_then(|value| value.parse::<u64>().ok());
    if let (Expand::Channels, Some(middle), Some(channels)) = (expand, number("expand"), input.last())
        && middle < *channels
    {
        return Err(format!(
            "`{name}`: {middle} middle channels are fewer than {channels} input channels; `expand` seems to be a \
             ratio, as in ProxylessNAS"
        ));
    }
    let macs = || {
        let (&[_, _, channels], Some(output), Some(kernel)) = (&input[..], sizes("output"), number("kernel")) else {
            return None;
        };
        let &[height, width, outputs] = &output[..] else { return None };
        let middle = match expand {
            Expand::Ratio => channels.checked_mul(number("expand")?)?,
            Expand::Channels => number("expand")?,
        };
        let map = input[0].checked_mul(input[1])?;
        let widening = if middle == channels { 0 } else { map.checked_mul(channels)?.checked_mul(middle)? };
        let each = kernel.checked_mul(kernel)?.checked_add(outputs)?;
        height.checked_mul(width)?.checked_mul(middle)?.checked_mul(each)?.checked_add(widening)
    };
    Ok(Layer {
        operator: operator.to_owned(),
        name: name.split_once('-').map_or(name, |(_, rest)| rest).to_owned(),
        shapes: fields.get("input").map_or_else(String::new, |shape| (*shape).to_owned()),
        text: String::new(),
        samples: 0,
        macs: macs().unwrap_or(0),
    })
}

/// A Python dictionary in each line: `{'op_name': 'ir_k3_s1', 'op_data_shape': (112, 112, 16, 16, 1), 'op_dtype': 'float32',
/// 'op_latency': 0.12}`. The shape is width, height, input channels, output channels and stride.
pub(super) fn nni(text: &str) -> Result<Vec<Layer>, ImportError> {
    let mut layers = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |problem: String| ImportError::Format(format!("line {}: {problem}", i + 1));
        let json = line.trim().replace('\'', "\"").replace('(', "[").replace(')', "]").replace("None", "null");
        let fields: BTreeMap<String, Value> =
            serde_json::from_str(&json).map_err(|e| wrong(format!("not a dictionary of FBNet's table: {e}")))?;
        let name = fields.get("op_name").and_then(Value::as_str).ok_or_else(|| wrong("no `op_name`".to_owned()))?;
        let shape: Option<Vec<u64>> = fields
            .get("op_data_shape")
            .and_then(Value::as_array)
            .and_then(|sizes| sizes.iter().map(Value::as_u64).collect());
        let shape = shape.ok_or_else(|| wrong("no `op_data_shape` with integers".to_owned()))?;
        let latency = match fields.get("op_latency") {
            Some(Value::Number(number)) => number.to_string(),
            // Not measured.
            Some(Value::Null) => String::new(),
            _ => return Err(wrong("no `op_latency`".to_owned())),
        };
        layers.push(Layer {
            operator: name.to_owned(),
            name: fields.get("op_dtype").and_then(Value::as_str).unwrap_or_default().to_owned(),
            shapes: shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x"),
            text: latency,
            samples: 0,
            macs: 0,
        });
    }
    Ok(layers)
}
