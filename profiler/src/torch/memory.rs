//! Peak memory of one run, from the kernel's high-water mark of resident memory.

use std::fs;
use std::time::Instant;

use crate::protocol::Memory;
use crate::{allocator, timer};

/// Resident pages are counted in per-processor batches, so readings are off by this much.
const RESOLUTION_BYTES: u64 = 256 << 10;

/// Resets the high-water mark, runs once, and reads how far it rose above what was resident before.
pub(super) fn peak(mut run: impl FnMut() -> Result<(), String>) -> Result<Memory, String> {
    // Memory of earlier graphs must not be reused unseen.
    allocator::return_memory()?;
    // Caches of the runtime (compiled kernels) are filled once and belong to no single run.
    let start = Instant::now();
    run()?;
    let first_ns = timer::nanoseconds(start);
    let resettable = fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status("VmRSS:");
    run()?;
    let peak = status("VmHWM:");
    let peak_bytes = match (resettable, before, peak) {
        (true, Some(before), Some(peak)) => Some(peak.saturating_sub(before)),
        _ => None,
    };
    Ok(Memory {
        first_ns,
        peak_bytes,
        method: "VmHWM after clear_refs, minus VmRSS, second run in a fresh process".to_owned(),
        resolution_bytes: RESOLUTION_BYTES,
    })
}

/// A line of `/proc/self/status` in bytes.
fn status(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes: u64 = text.lines().find_map(|l| l.strip_prefix(field))?.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}
