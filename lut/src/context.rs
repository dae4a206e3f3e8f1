//! The context of a LUT: the settings and facts for which it is valid.

use std::collections::BTreeMap;

use nasprof_graph::Arch;
use nasprof_profiler::engine::Precision;
use nasprof_profiler::journal::Header;
use serde::{Deserialize, Serialize};

use crate::{Anchor, Calibration, Imported, NetworkTime, Part, Queued, Reconciliation, SessionFacts};

/// Version of the LUT's format that is written. Files of version 1, whose checksum was optional, and 2, whose rows held the level,
/// are read as well, and version 3, whose size effect had one slope for each static cost.
pub const FORMAT_VERSION: u32 = 4;

/// The context of a LUT: its numbers hold only where the whole context is equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Version of the LUT's format: [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The measurement's settings: device, space, batch, threads, allocator, seed …
    pub header: Header,
    /// Facts of the machine: processor, kernel, runtime and version …
    pub facts: BTreeMap<String, String>,
    /// How each session went.
    pub sessions: Vec<SessionFacts>,
    /// Networks measured whole; measuring them again later shows the machine's level.
    pub anchors: Vec<Anchor>,
    /// Digests of the architectures that were measured; a validation must not use them.
    pub measured: Vec<Arch>,
    /// The times of those that every session measured whole. Empty in LUTs of older versions, and in merged ones, whose
    /// parts have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<NetworkTime>,
    /// From sums of layers to whole networks; absent for isolated LUTs and with too few anchors.
    pub calibration: Option<Calibration>,
    /// How the sum of the layers, runs with timers and plain runs relate, and what was subtracted from each layer.
    /// Absent if no network was measured whole, in merged LUTs, whose parts have it, and in those of older versions, whose
    /// rows include the timers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciliation: Option<Reconciliation>,
    /// The precision of the sampled networks and their rows; absent for isolated layers, in merged LUTs, whose parts have it,
    /// and in those of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// For a device with a queue: the cost of its marks, and its other latencies. Absent for other devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queued: Option<Queued>,
    /// The LUTs that a merged one was made of; empty for any other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Where an imported LUT came from; absent for a measured one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}
