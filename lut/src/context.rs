//! The context of a LUT: the settings and facts for which it is valid.

use std::collections::BTreeMap;

use nasprof_graph::{Arch, Identity};
use nasprof_profiler::journal::Header;
use serde::{Deserialize, Serialize};

use crate::{Calibration, Energy, Lut, LutError, Part};

/// Version of the LUT's format that is written; files of version 1, whose checksum was optional, are read as well.
pub const FORMAT_VERSION: u32 = 2;

/// The context of a LUT: numbers hold where all of it is equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Version of the LUT's format: [`FORMAT_VERSION`].
    pub format_version: u32,
    /// How the measurement was asked for: device, space, batch, threads, allocator, seed …
    pub header: Header,
    /// Facts of the machine: processor, kernel, runtime and version …
    pub facts: BTreeMap<String, String>,
    /// How each session went.
    pub sessions: Vec<SessionFacts>,
    /// Networks measured whole, re-measured later to tell the machine's level.
    pub anchors: Vec<Anchor>,
    /// Digests of the architectures that were measured; a validation must not use them.
    pub measured: Vec<Arch>,
    /// From sums of layers to whole networks; absent for isolated LUTs and where too few anchors were measured.
    pub calibration: Option<Calibration>,
    /// The LUTs that a merged one was made of; empty for any other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Where an imported LUT came from; absent for a measured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// Where an imported LUT came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// The table's format.
    pub format: String,
    /// Its file's name, without the folder.
    pub file: String,
    /// What its numbers were counted in.
    pub unit: String,
}

/// How a session went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionFacts {
    /// Rounds measured.
    pub rounds: u32,
    /// Whether every key converged.
    pub converged: bool,
    /// Why it ended.
    pub reason: String,
    /// Whether the warm-up became steady.
    #[serde(rename = "settled")]
    pub is_steady: bool,
    /// Variance of the canary over the rounds beyond its reading noise, relative: compute, then memory.
    pub canary_spread: [f64; 2],
    /// Probes that were bad at the gate, and signs of throttling or moved clocks at the end of rounds.
    pub bad_probes: Vec<String>,
    /// Visits that were voided.
    pub voided: usize,
    /// How often another process went on with it.
    pub resumed: u32,
}

/// A network measured whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Anchor {
    /// Its architecture.
    pub arch: Arch,
    /// Nanoseconds in each session that timed the layers.
    pub sessions_ns: Vec<f64>,
    /// Nanoseconds in each session of the anchors alone.
    pub level_sessions_ns: Vec<f64>,
    /// Sum of its layers, each from its occurrences in the other networks, nanoseconds.
    pub sum_ns: f64,
    /// Number of its layers.
    pub layers: usize,
    /// Energy of the network as a whole; absent where it was not measured or does not show.
    #[serde(default)]
    pub energy: Option<Energy>,
    /// Sum of the energies of its layers, each alone, millijoules; absent unless all are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers_energy_mj: Option<f64>,
}

impl Lut {
    /// Whether estimates look at more of a network than which layers it has: where they stand, or its size.
    #[must_use]
    pub fn is_context_dependent(&self) -> bool {
        let looks = |c: &Calibration| c.reuse_bandwidth.is_some() || c.size_effect.is_some();
        self.context.calibration.as_ref().is_some_and(looks)
    }

    /// Refuses a LUT that is not of the space: neither itself nor, where several were made one, in a part. `supernet` is
    /// that of batch 1. A digest that an older version wrote is known as well.
    ///
    /// # Errors
    /// What differs.
    pub fn check_space(&self, name: &str, supernet: &Identity) -> Result<(), LutError> {
        let header = &self.context.header;
        let mut headers = self.context.parts.iter().map(|part| &part.header).chain([header]);
        if headers.any(|header| header.space == name && supernet.is(&header.space_digest)) {
            return Ok(());
        }
        let problem = if header.space == name {
            format!(
                "space `{name}` was another network when the LUT was made: space_digest is `{}` in the LUT, `{}` is asked \
                 for",
                header.space_digest,
                supernet.digest()
            )
        } else {
            format!("space is `{}` in the LUT, `{name}` is asked for", header.space)
        };
        Err(LutError::Context(problem))
    }

    /// Writes today's digest where an older version wrote the same space's in another form, so that the two are one space
    /// to [`merge`](crate::merge). `supernet` is asked for spaces by name and answers for those it knows.
    pub fn renew_digests(&mut self, supernet: impl Fn(&str) -> Option<Identity>) {
        let context = &mut self.context;
        let parts = context.parts.iter_mut().map(|part| &mut part.header);
        for header in parts.chain([&mut context.header]).filter(|header| Identity::is_older(&header.space_digest)) {
            if let Some(known) = supernet(&header.space).filter(|known| known.is(&header.space_digest)) {
                known.digest().clone_into(&mut header.space_digest);
            }
        }
    }

    /// Refuses a LUT whose context differs in any of the named values.
    ///
    /// # Errors
    /// What differs.
    pub fn check_context(&self, wanted: &[(&str, Option<String>)]) -> Result<(), LutError> {
        let header = &self.context.header;
        let differs: Vec<String> = wanted
            .iter()
            .filter_map(|(name, value)| {
                let actual = match *name {
                    // One that several boards shared serves each of them.
                    "device" => {
                        let mut parts = self.context.parts.iter().map(|part| &part.header.device);
                        parts.find(|part| Some(*part) == value.as_ref()).unwrap_or(&header.device).clone()
                    }
                    "backend" => header.backend.clone(),
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
