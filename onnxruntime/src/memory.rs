//! Memory of a network: the growth of the process when its session is created and first run. The runtime's arena keeps its
//! memory, so only the first run shows it.

use std::path::Path;
use std::time::Instant;

use nasprof_agent::resident::{reset_peak, status};
use nasprof_agent::{allocator, timer};
use nasprof_graph::Graph;
use nasprof_profiler::protocol::Memory;

use crate::network::Network;
use crate::session::Options;

/// The kernel counts resident pages in batches.
const RESOLUTION_BYTES: u64 = 64 * 4096;

/// Opens and runs a graph.
///
/// # Errors
/// The runtime's message if it refuses the graph.
pub(crate) fn measure(graph: &Graph, options: &Options<'_>, folder: &Path) -> Result<Memory, String> {
    allocator::trim();
    let without = status("VmRSS:");
    let (mut session, inputs) = Network::alone(graph, options, folder)?;
    let before = status("VmRSS:");
    let reset = reset_peak();
    let start = Instant::now();
    inputs.run(&mut session)?;
    let first_ns = timer::nanoseconds(start);
    let peak = status("VmHWM:").filter(|_| reset);
    let above = |base: Option<u64>| Some(peak?.saturating_sub(base?));
    Ok(Memory {
        first_ns,
        peak_bytes: above(before),
        network_bytes: above(without),
        stored_bytes: None,
        method: "VmHWM of the first run after clear_refs, minus VmRSS".to_owned(),
        resolution_bytes: RESOLUTION_BYTES,
    })
}
