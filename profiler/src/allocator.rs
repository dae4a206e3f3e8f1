//! Control of glibc's allocator, before the runtime allocates anything large.
//!
//! By default glibc maps large tensors anew for every layer and gives pages back, so that latencies depend on page
//! faults and differ systematically between networks (design.md section 2). Retaining memory removes that.

use crate::protocol::Allocator;

/// Blocks requested from the kernel grow by this much.
const TOP_PAD_BYTES: i32 = 64 << 20;

/// Applies the choice to this process; call it before libtorch allocates.
///
/// # Errors
/// If the C library refuses an option: then the context would not be what the LUT says.
pub(crate) fn apply(allocator: Allocator) -> Result<(), String> {
    match allocator {
        Allocator::System => Ok(()),
        Allocator::Retain => retain(),
    }
}

/// Makes the allocator give every freed block back, so that resident memory shows what is in use.
///
/// # Errors
/// If the C library refuses an option.
pub(crate) fn return_memory() -> Result<(), String> {
    // A fixed threshold also stops glibc from raising it after the first large block.
    options(&[("M_MMAP_THRESHOLD", MMAP_THRESHOLD, 64 << 10), ("M_TRIM_THRESHOLD", TRIM_THRESHOLD, 0)])
}

/// Gives back what is free within the heap as well: small tensors leave holes there that the thresholds do not close.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn trim() {
    #[expect(unsafe_code, reason = "malloc_trim has no safe wrapper; it only returns free pages")]
    // Whether anything was free does not matter.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Other C libraries refuse [`return_memory`] before this is reached.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn trim() {}

fn retain() -> Result<(), String> {
    options(&[
        ("M_MMAP_MAX", MMAP_MAX, 0),
        // -1 is the largest threshold: the heap never shrinks.
        ("M_TRIM_THRESHOLD", TRIM_THRESHOLD, -1),
        ("M_TOP_PAD", TOP_PAD, TOP_PAD_BYTES),
        // Worker threads would otherwise use arenas of their own, which map and unmap.
        ("M_ARENA_MAX", ARENA_MAX, 1),
    ])
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use libc::{
    M_ARENA_MAX as ARENA_MAX, M_MMAP_MAX as MMAP_MAX, M_MMAP_THRESHOLD as MMAP_THRESHOLD, M_TOP_PAD as TOP_PAD,
    M_TRIM_THRESHOLD as TRIM_THRESHOLD,
};

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn options(options: &[(&str, i32, i32)]) -> Result<(), String> {
    for (name, option, value) in options {
        #[expect(unsafe_code, reason = "mallopt has no safe wrapper; it only sets allocator parameters")]
        let accepted = unsafe { libc::mallopt(*option, *value) };
        if accepted != 1 {
            return Err(format!("the C library refused {name}={value}"));
        }
    }
    Ok(())
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod absent {
    pub(super) const ARENA_MAX: i32 = 0;
    pub(super) const MMAP_MAX: i32 = 0;
    pub(super) const MMAP_THRESHOLD: i32 = 0;
    pub(super) const TOP_PAD: i32 = 0;
    pub(super) const TRIM_THRESHOLD: i32 = 0;
}
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
use absent::*;

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn options(_options: &[(&str, i32, i32)]) -> Result<(), String> {
    Err("this C library's allocator cannot be controlled; use `--allocator system`".to_owned())
}
