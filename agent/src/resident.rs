//! Resident memory of this process, as the kernel counts it.

use std::fs;

/// A field of `/proc/self/status` in bytes: `VmRSS:` is the current resident memory, `VmHWM:` its peak.
#[must_use]
pub fn status(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes: u64 = text.lines().find_map(|l| l.strip_prefix(field))?.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Resets the peak to the current resident memory. Returns whether the kernel did so.
#[must_use]
pub fn reset_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}
