//! What TensorRT's `trtexec --exportProfile` writes: a list, first the number of runs, then one object for each layer.

use serde::Deserialize;

use super::super::error::ImportError;
use super::Layer;

/// Times of one layer over all runs may differ by this from its mean time that often: the file rounds.
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

/// Layers have names alone, which begin with the operator: `Conv_0 + Relu_0`, `Reformatting CopyNode for …`.
fn operator(name: &str) -> String {
    let word: String = name
        .trim_start_matches(|c: char| !c.is_ascii_alphabetic())
        .chars()
        .take_while(|c| c.is_ascii_alphabetic())
        .collect();
    if word.is_empty() { "layer".to_owned() } else { word }
}
