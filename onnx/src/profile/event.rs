//! One event of a profile.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::node::{ProfileError, ProfiledNode, TensorType};

/// Most dimensions of a tensor.
const MAX_RANK: usize = 64;

/// An event of the file; fields without a use are dropped.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    cat: String,
    name: String,
    /// Whole microseconds.
    #[serde(default)]
    dur: u64,
    /// Start, in microseconds after the start of the profile.
    #[serde(default)]
    ts: u64,
    #[serde(default)]
    args: BTreeMap<String, Value>,
}

impl Event {
    pub(super) fn category(&self) -> &str {
        &self.cat
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn us(&self) -> u64 {
        self.dur
    }

    pub(super) fn start(&self) -> u64 {
        self.ts
    }

    /// An argument as text; empty if absent.
    fn text(&self, name: &str) -> &str {
        self.args.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// An argument that is a number, in quotation marks or not.
    fn number(&self, name: &str) -> Option<u64> {
        match self.args.get(name)? {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        }
    }

    /// The types and shapes in an argument: `[{"float":[1,3,32,32]}, …]`.
    fn tensors(&self, name: &str) -> Result<Vec<TensorType>, ProfileError> {
        let wrong = || ProfileError::Format(format!("`{name}` of `{}` is not a list of shapes", self.name));
        let Some(value) = self.args.get(name) else { return Ok(Vec::new()) };
        let tensors = value.as_array().ok_or_else(wrong)?.iter().map(|tensor| {
            let Some((element, shape)) = tensor.as_object().and_then(|tensor| tensor.iter().next()) else {
                // An absent input.
                return Ok(TensorType { element: String::new(), shape: Vec::new() });
            };
            let shape: Option<Vec<u64>> = shape.as_array().ok_or_else(wrong)?.iter().map(Value::as_u64).collect();
            let shape = shape.filter(|shape| shape.len() <= MAX_RANK).ok_or_else(wrong)?;
            Ok(TensorType { element: element.clone(), shape })
        });
        tensors.collect()
    }
}

/// The kernel of an event, and the peak of the bytes in use so far.
pub(super) fn node_of(name: &str, event: &Event) -> Result<(ProfiledNode, Option<u64>), ProfileError> {
    let operator = event.text("op_name");
    if operator.is_empty() {
        return Err(ProfileError::Format(format!("`{}` has no `op_name`", event.name)));
    }
    let node = ProfiledNode {
        name: name.to_owned(),
        operator: operator.to_owned(),
        provider: event.text("provider").to_owned(),
        index: event.number("node_index").unwrap_or(0),
        inputs: event.tensors("input_type_shape")?,
        outputs: event.tensors("output_type_shape")?,
        parameter_bytes: event.number("parameter_size").unwrap_or(0),
        output_bytes: event.number("output_size").unwrap_or(0),
    };
    Ok((node, event.number("mem_in_use_peak")))
}
