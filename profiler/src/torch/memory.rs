//! Peak memory of one run, from the kernel's high-water mark of resident memory.

use std::fs;
use std::time::Instant;

use crate::protocol::{DeviceError, Memory};
use crate::{allocator, timer};

/// Resident pages are counted in per-processor batches, so readings are off by this much.
const RESOLUTION_BYTES: u64 = 256 << 10;

/// Builds and runs the network, and reads how far resident memory rose above the process without it, and above what
/// was resident before a run.
pub(super) fn peak<N>(
    build: impl Fn() -> Result<N, DeviceError>,
    run: impl Fn(&mut N) -> Result<(), String>,
) -> Result<Memory, DeviceError> {
    let run = |network: &mut N| run(network).map_err(DeviceError::Refused);
    // Memory of earlier graphs must not be reused unseen.
    allocator::return_memory().map_err(DeviceError::Refused)?;
    // Caches of the runtime (compiled kernels) are filled once and belong to no network.
    let first_ns = {
        let mut network = build()?;
        let start = Instant::now();
        run(&mut network)?;
        timer::nanoseconds(start)
    };
    allocator::trim();
    let without = status("VmRSS:");
    let mut network = build()?;
    run(&mut network)?;
    let resettable = fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = status("VmRSS:");
    run(&mut network)?;
    let peak = status("VmHWM:").filter(|_| resettable);
    let above = |base: Option<u64>| Some(peak?.saturating_sub(base?));
    Ok(Memory {
        first_ns,
        peak_bytes: above(before),
        network_bytes: above(without),
        method: "VmHWM after clear_refs, minus VmRSS, third run in a fresh process".to_owned(),
        resolution_bytes: RESOLUTION_BYTES,
    })
}

/// A line of `/proc/self/status` in bytes.
fn status(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes: u64 = text.lines().find_map(|l| l.strip_prefix(field))?.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}
