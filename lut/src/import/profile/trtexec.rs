//! The output of TensorRT's `trtexec --exportProfile`: a list, first the number of runs, then one object for each
//! layer.

use serde::Deserialize;

use super::super::error::ImportError;
use super::Layer;

/// Maximum relative difference between a layer's mean time and its time over all runs, per run: the file rounds.
const ROUNDING: f64 = 0.02;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    time_ms: Option<f64>,
    #[serde(default)]
    average_ms: Option<serde_json::Number>,
}

pub(super) fn read(text: &str) -> Result<Vec<Layer>, ImportError> {
    let wrong = |problem: String| ImportError::Format(format!("not a profile of trtexec: {problem}"));
    let entries: Vec<Entry> = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
    let Some((Entry { count: Some(runs), name: None, .. }, layers)) = entries.split_first() else {
        return Err(wrong("its first entry is not the number of runs".to_owned()));
    };
    if *runs == 0 {
        return Err(wrong("it has no runs".to_owned()));
    }
    let layer = |entry: &Entry| {
        let (Some(name), Some(average)) = (&entry.name, &entry.average_ms) else {
            return Err(wrong("a layer has no `name` or no `averageMs`".to_owned()));
        };
        let mean = average.as_f64().unwrap_or(f64::NAN);
        if let Some(total) = entry.time_ms
            && (total / *runs as f64 - mean).abs() > ROUNDING * mean.abs() + 1e-3
        {
            return Err(wrong(format!("`{name}` takes {total} ms in {runs} runs, but {mean} ms on average")));
        }
        Ok(Layer {
            operator: operator(name),
            name: name.clone(),
            shapes: String::new(),
            text: average.to_string(),
            samples: *runs,
            macs: 0,
        })
    };
    layers.iter().map(layer).collect()
}

/// Layers have names alone. They begin with an operator, `Conv_0 + Relu_0`, `Reformatting CopyNode for …`, or with a node's path
/// whose last part is one, `/backbone/conv1/Conv_3`; a layer without a name has its kind in brackets behind it.
fn operator(name: &str) -> String {
    let name = match name.split_once("(Unnamed Layer*").and_then(|(_, rest)| rest.split_once('[')) {
        Some((_, kind)) => kind,
        None => name.trim_start_matches(|c: char| !c.is_ascii_alphabetic() && !c.is_ascii_digit()),
    };
    // Layers that TensorRT's own compiler makes have their own names.
    let name = name.strip_prefix("myl_").unwrap_or(name);
    let first = name.split(|c: char| c.is_whitespace() || "+|,()[]{}".contains(c)).next().unwrap_or_default();
    let mut parts = first.rsplit(['/', '.', ':']).map(word);
    parts.find(|word| !word.is_empty()).unwrap_or_else(|| "layer".to_owned())
}

/// The first run of letters.
fn word(text: &str) -> String {
    let text = text.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    text.chars().take_while(char::is_ascii_alphabetic).collect()
}

#[cfg(test)]
mod tests {
    use super::operator;

    #[test]
    fn the_operator_is_read_from_the_name() {
        for (name, expected) in [
            ("Conv_0 + Relu_0", "Conv"),
            ("/backbone/Conv_3", "Conv"),
            ("/backbone/conv1/Conv + /backbone/relu/Relu", "Conv"),
            ("/a/Conv || /b/Conv", "Conv"),
            ("model_1/conv2d/Conv2D", "Conv"),
            ("/backbone/layer1/layer1.0/conv1/Conv", "Conv"),
            ("/model.22/dfl/Reshape_1", "Reshape"),
            ("features.0.Conv_3", "Conv"),
            ("Relu:0", "Relu"),
            ("/layers/3", "layers"),
            ("Reformatting CopyNode for Input Tensor 0 to /backbone/Conv_3", "Reformatting"),
            ("PWN(/a/Sigmoid, /a/Mul)", "PWN"),
            ("{ForeignNode[/encoder/MatMul.../decoder/Add]}", "ForeignNode"),
            ("[CONVOLUTION]-[aten_ops.convolution.default]-[/conv1/convolution]", "CONVOLUTION"),
            ("(Unnamed Layer* 3) [Convolution]", "Convolution"),
            ("(Unnamed Layer* 3) [Convolution] + (Unnamed Layer* 5) [Activation]", "Convolution"),
            ("__myl_Fc_myl0_3", "Fc"),
            ("12345", "layer"),
            ("", "layer"),
        ] {
            assert_eq!(operator(name), expected, "{name}");
        }
    }
}
