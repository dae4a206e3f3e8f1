//! Resident memory of this process, as the kernel counts it.

use std::fs;

/// A line of `/proc/self/status` in bytes: `VmRSS:` what is resident now, `VmHWM:` the most so far.
#[must_use]
pub fn status(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes: u64 = text.lines().find_map(|l| l.strip_prefix(field))?.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// Makes the most so far what is resident now; whether the kernel did that.
#[must_use]
pub fn reset_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}
