//! The lookup table itself, and whether it answers a question.

use nasprof_profiler::journal::Header;
use serde::{Deserialize, Serialize};

use crate::{Calibration, Context, LutError, Row};

/// A latency lookup table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lut {
    /// What it holds for, and how it was measured.
    pub context: Context,
    /// One row a layer, in the order of keys.
    pub rows: Vec<Row>,
}

impl Lut {
    /// Whether estimates look at more of a network than which layers it has: at the places where they stand, or its size.
    #[must_use]
    pub fn knows_places(&self) -> bool {
        let looks = |c: &Calibration| c.reuse_bandwidth.is_some() || c.size_effect.is_some();
        self.context.calibration.as_ref().is_some_and(looks)
    }

    /// Refuses a LUT whose context differs in any of the named values.
    ///
    /// # Errors
    /// What differs.
    pub fn expect(&self, wanted: &[(&str, Option<String>)]) -> Result<(), LutError> {
        let header = &self.context.header;
        let differs: Vec<String> = wanted
            .iter()
            .filter_map(|(name, value)| {
                // One that several boards shared serves each of them, as one of several spaces does.
                let of_parts = |of: fn(&Header) -> &String, all: &String| {
                    let mut parts = self.context.parts.iter().map(|part| of(&part.header));
                    parts.find(|part| Some(*part) == value.as_ref()).unwrap_or(all).clone()
                };
                let actual = match *name {
                    "device" => of_parts(|header| &header.device, &header.device),
                    "backend" => header.backend.clone(),
                    "space" => of_parts(|header| &header.space, &header.space),
                    "space_digest" => of_parts(|header| &header.space_digest, &header.space_digest),
                    "batch" => header.batch.to_string(),
                    "threads" => header.threads.to_string(),
                    "allocator" => header.allocator.name().to_owned(),
                    fact => self.context.facts.get(fact).cloned().unwrap_or_default(),
                };
                let value = value.as_ref()?;
                (*value != actual).then(|| format!("{name} is `{actual}` in the LUT, `{value}` is asked for"))
            })
            .collect();
        if differs.is_empty() { Ok(()) } else { Err(LutError::Context(differs.join("; "))) }
    }
}
