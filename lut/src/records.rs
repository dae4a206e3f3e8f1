//! Records in a LUT about its measurement: its sessions, the networks measured whole, its parts and origin.

use nasprof_graph::Arch;
use nasprof_profiler::engine::{Levelling, Precision};
use nasprof_profiler::journal::{EndReason, Header};
use serde::{Deserialize, Serialize};

use crate::{Energy, Reconciliation};

/// One of the LUTs in a merged LUT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The measurement's settings.
    pub header: Header,
    /// How its sessions went.
    pub sessions: Vec<SessionFacts>,
    /// Its networks that were measured whole; empty in LUTs of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkTime>,
    /// How its layers and networks add up; absent as in its LUT, and in LUTs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciliation: Option<Reconciliation>,
    /// The precision of its networks and rows; absent as in its LUT, and in LUTs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
}

/// The time of a network that was measured whole in every session that timed the layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkTime {
    /// Its architecture; of a model, without choices.
    pub arch: Arch,
    /// Nanoseconds in each session.
    pub sessions_ns: Vec<f64>,
}

/// Where an imported LUT came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// The table's format.
    pub format: String,
    /// Its file's name, without the folder.
    pub file: String,
    /// The unit of its numbers.
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
    pub reason: EndReason,
    /// Whether the warm-up became steady.
    #[serde(rename = "settled")]
    pub is_steady: bool,
    /// The networks that the device refused to load, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// Variance of the canary over the rounds beyond its reading noise, relative: compute, then memory.
    pub canary_spread: [f64; 2],
    /// Probes that were bad at the gate, and signs of throttling or moved clocks at the end of rounds.
    pub bad_probes: Vec<String>,
    /// Visits that were voided.
    pub voided: usize,
    /// How often another process continued it.
    pub resumed: u32,
    /// The level that samples were divided by before the rows' statistics: the form that predicted left-out rounds
    /// best. Absent in LUTs of older versions, which did not divide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levelling: Option<Levelling>,
    /// Digest of the canaries with which it warmed up, as recorded: two LUTs with the same digest hold the same session.
    /// Absent in LUTs of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl SessionFacts {
    /// Whether both are of one session of measurements with the same settings. Statistics may differ where another version
    /// computed them.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.digest, &other.digest) {
            (Some(own), Some(others)) => own == others,
            _ => Self { digest: None, ..self.clone() } == Self { digest: None, ..other.clone() },
        }
    }
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
    /// Mean power while it runs, in watts: energy over time, all that the meter counts. Absent like `energy`, and in LUTs of
    /// older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_w: Option<f64>,
    /// Sum of the energies of its layers, each alone, millijoules; absent unless all are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers_energy_mj: Option<f64>,
}
