//! The contents of NNabla-NAS' `LatencyGraphEstimator`, by operator: its type, the shapes of all inputs with the batch
//! and the weights, and its arguments, as in `Convolution-(1, 8, 16, 16)-(8, 8, 3, 3)-(8,)-{base_axis 1, pad [1,1],
//! stride [1,1], dilation [1,1], group 1}`.
//!
//! The keys of the other estimator, `LatencyEstimator`, are the text of Python modules with undocumented attributes,
//! so they are not supported.

use std::collections::BTreeMap;

use nasprof_graph::{LayerKey, Op, Shape};
use serde_json::Value;

use super::entry::{Entry, bounded};
use super::error::ImportError;

/// Reads the entries; data of another batch size is refused.
pub(super) fn read(text: &str, batch: usize) -> Result<Vec<Entry>, ImportError> {
    let pairs = if text.trim_start().starts_with('{') { json(text)? } else { csv(text)? };
    let mut entries = Vec::with_capacity(pairs.len());
    for (key, value, place) in pairs {
        let layer = match operator(&key) {
            Ok((op, inputs)) => {
                if let Some(table) = inputs.iter().map(Shape::batch).find(|b| *b != batch) {
                    return Err(ImportError::Batch { table, asked: batch });
                }
                Ok(LayerKey::new(&op, &inputs.iter().collect::<Vec<_>>()))
            }
            Err(reason) => Err(reason),
        };
        entries.push(Entry::new(layer, &value, &place)?);
    }
    bounded(entries)
}

fn json(text: &str) -> Result<Vec<(String, String, String)>, ImportError> {
    let table: BTreeMap<String, Value> = serde_json::from_str(text).map_err(|e| ImportError::Format(e.to_string()))?;
    let pair = |(key, value): (String, Value)| match value {
        Value::Number(number) => {
            let place = format!("`{key}`");
            Ok((key, number.to_string(), place))
        }
        other => Err(ImportError::Format(format!("`{key}`: {other} is not a number"))),
    };
    table.into_iter().map(pair).collect()
}

fn csv(text: &str) -> Result<Vec<(String, String, String)>, ImportError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let pair = |(i, record): (usize, Result<csv::StringRecord, csv::Error>)| {
        let place = format!("line {}", i + 1);
        let record = record.map_err(|e| ImportError::Format(format!("{place}: {e}")))?;
        match (record.get(0), record.get(1), record.len()) {
            (Some(key), Some(value), 2) => Ok((key.to_owned(), value.to_owned(), place)),
            _ => Err(ImportError::Format(format!(
                "{place}: {} columns instead of a quoted key and a latency",
                record.len()
            ))),
        }
    };
    reader.records().enumerate().map(pair).collect()
}

/// The operation and the shapes of its data, or why it is not one of nasprof's layers.
fn operator(key: &str) -> Result<(Op, Vec<Shape>), String> {
    let parsed = Operator::parse(key).ok_or("its text does not describe an operator")?;
    parsed.layer().ok_or_else(|| format!("`{}` is not a layer, or not with these arguments", parsed.kind))?
}

struct Operator<'a> {
    kind: &'a str,
    shapes: Vec<Vec<usize>>,
    arguments: BTreeMap<String, String>,
}

impl<'a> Operator<'a> {
    fn parse(key: &'a str) -> Option<Self> {
        let (kind, mut rest) = key.split_once('-')?;
        let mut shapes = Vec::new();
        while let Some(inner) = rest.strip_prefix('(') {
            let (tuple, after) = inner.split_once(')')?;
            let sizes = tuple.split(',').map(str::trim).filter(|size| !size.is_empty()).map(str::parse);
            shapes.push(sizes.collect::<Result<Vec<usize>, _>>().ok()?);
            rest = after.strip_prefix('-').unwrap_or(after);
        }
        let valid = !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphanumeric());
        (valid && !shapes.is_empty() && shapes.iter().all(|shape| !shape.is_empty())).then(|| Self {
            kind,
            shapes,
            arguments: arguments(rest),
        })
    }

    fn layer(&self) -> Option<Result<(Op, Vec<Shape>), String>> {
        let shape = |i: usize| self.shapes.get(i).cloned().map(Shape);
        let data = shape(0)?;
        if self.arguments.get("channel_last").is_some_and(|value| value == "True" || value == "true") {
            return Some(Err("the channels are in the last dimension".to_owned()));
        }
        let simple = |op: Op| Some(Ok((op, vec![data.clone()])));
        match self.kind {
            "Convolution" | "DepthwiseConvolution" => {
                let weight = self.shapes.get(1)?;
                let [out, _, height, width] = weight[..] else { return None };
                let depthwise = self.kind == "DepthwiseConvolution";
                let groups = if depthwise { *data.0.get(1)? } else { self.number("group").unwrap_or(1) };
                simple(Op::Conv {
                    out_channels: if depthwise {
                        groups.checked_mul(self.number("multiplier").unwrap_or(1))?
                    } else {
                        out
                    },
                    kernel: [height, width],
                    stride: self.pair("stride")?,
                    pad: self.pair("pad")?,
                    dilation: self.pair("dilation")?,
                    groups,
                    bias: self.shapes.len() > 2,
                    activation: None,
                })
            }
            "Affine" => {
                let [_, out_features] = self.shapes.get(1)?[..] else { return None };
                let features = data.0.get(1..)?.iter().try_fold(1_usize, |product, size| product.checked_mul(*size))?;
                let op = Op::Linear { out_features, bias: self.shapes.len() > 2 };
                Some(Ok((op, vec![Shape(vec![data.batch(), features])])))
            }
            "BatchNormalization" => simple(Op::BatchNorm { epsilon: 1e-5 }),
            "ReLU" => simple(Op::Relu),
            "ReLU6" => simple(Op::Relu6),
            "Sigmoid" => simple(Op::Sigmoid),
            "Tanh" => simple(Op::Tanh),
            "HardSigmoid" => simple(Op::Hsigmoid),
            "HardSwish" => simple(Op::Hswish),
            "GlobalAveragePooling" => simple(Op::GlobalAvgPool),
            "MaxPooling" => {
                let (kernel, stride, pad) = (self.pair("kernel")?, self.pair("stride")?, self.pair("pad")?);
                simple(Op::MaxPool { kernel, stride, pad })
            }
            "AveragePooling" => {
                let (kernel, stride, pad) = (self.pair("kernel")?, self.pair("stride")?, self.pair("pad")?);
                let count_padding =
                    !self.arguments.get("including_pad").is_some_and(|v| v.eq_ignore_ascii_case("false"));
                simple(Op::AvgPool { kernel, stride, pad, count_padding })
            }
            "Add2" | "AddN" | "Mul2" | "MulN" => {
                let op = if self.kind.starts_with("Add") { Op::Add } else { Op::Mul };
                Some(Ok((op, self.shapes.iter().cloned().map(Shape).collect())))
            }
            "Concatenate" => {
                let op = Op::Concat { axis: self.number("axis")? };
                Some(Ok((op, self.shapes.iter().cloned().map(Shape).collect())))
            }
            "Softmax" => simple(Op::Softmax { axis: self.number("axis")? }),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.arguments.get(name)?.parse().ok()
    }

    fn pair(&self, name: &str) -> Option<[usize; 2]> {
        let text = self.arguments.get(name)?.trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
        let sizes: Vec<usize> = text.split(',').map(|size| size.trim().parse().ok()).collect::<Option<_>>()?;
        sizes.try_into().ok()
    }
}

/// Names and values of `{name value, name [1,1]}`; Python's own `{'name': value}` is read as well.
fn arguments(text: &str) -> BTreeMap<String, String> {
    let text = text.trim().trim_start_matches('{').trim_end_matches('}');
    let mut arguments = BTreeMap::new();
    let (mut start, mut depth) = (0, 0_i32);
    let mut take = |part: &str| {
        let part = part.trim();
        let quoted = |c: char| matches!(c, '\'' | '"' | ':' | '=') || c.is_whitespace();
        let name: String =
            part.trim_start_matches(quoted).chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if let Some((_, value)) = part.split_once(&name).filter(|_| !name.is_empty()) {
            arguments.insert(name, value.trim_matches(quoted).to_owned());
        }
    };
    for (i, c) in text.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                take(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    take(&text[start..]);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<String, String> {
        operator(text).map(|(op, inputs)| LayerKey::new(&op, &inputs.iter().collect::<Vec<_>>()).0)
    }

    #[test]
    fn operators_become_layers() {
        let arguments = "base_axis 1, pad [1,1], stride [2,2], dilation [1,1], group 1, channel_last False";
        let conv = |arguments: &str| key(&format!("Convolution-(1, 8, 16, 16)-(24, 8, 3, 3)-(24,)-{{{arguments}}}"));
        assert_eq!(conv(arguments).unwrap(), "conv(out=24,kernel=3x3,stride=2x2,pad=1x1,bias)[8x16x16]");
        let python = "'pad': (1, 1), 'stride': (1, 1), 'dilation': (1, 1), 'group': 8";
        let depthwise = key(&format!("Convolution-(1, 8, 16, 16)-(8, 1, 3, 3)-{{{python}}}"));
        assert_eq!(depthwise.unwrap(), "conv(out=8,kernel=3x3,pad=1x1,groups=8)[8x16x16]");
        assert_eq!(key("ReLU6-(1, 8, 4, 4)-{}").unwrap(), "relu6()[8x4x4]");
        assert_eq!(key("Affine-(1, 8, 2, 2)-(32, 10)-(10,)-{base_axis 1}").unwrap(), "linear(out=10,bias)[32]");
        // Control: an incomplete description does not become a layer.
        assert!(conv("pad [1,1]").is_err());
        assert!(conv(&arguments.replace("channel_last False", "channel_last True")).unwrap_err().contains("last"));
        for bad in ["", "-", "ReLU", "ReLU-", "ReLU-(a)-{}", "Slice-(1, 8)-{}", "ReLU-(1,", "Convolution-(1,2,3,4)-{}"]
        {
            assert!(key(bad).is_err(), "{bad}");
        }
    }
}
