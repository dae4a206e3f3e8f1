//! Control of glibc's allocator, before the runtime allocates anything large.
//!
//! By default glibc maps large tensors anew for every layer and returns their pages, so latencies depend on page faults and
//! differ systematically between networks. Retaining memory removes that.

use nasprof_profiler::protocol::Allocator;

/// Blocks requested from the kernel grow by this much.
const TOP_PAD_BYTES: i32 = 64 << 20;

/// Most blocks that fill up the heap; some ten MiB of the smallest.
const MAX_FILLING: usize = 200_000;

/// Applies the choice to this process; call it before libtorch allocates.
///
/// # Errors
/// If the C library refuses an option: then the context would not be what the LUT says.
pub fn apply(allocator: Allocator) -> Result<(), String> {
    match allocator {
        Allocator::System => Ok(()),
        Allocator::Retain => retain(),
    }
}

/// Makes the allocator give every freed block back, so that resident memory shows what is in use.
///
/// # Errors
/// If the C library refuses an option.
pub fn return_memory() -> Result<(), String> {
    // A fixed threshold also stops glibc from raising it after the first large block.
    options(&[
        // All but the smallest tensors are mapped one by one: in the heap they would leave holes that stay resident.
        ("M_MMAP_THRESHOLD", MMAP_THRESHOLD, 4 << 10),
        ("M_TRIM_THRESHOLD", TRIM_THRESHOLD, 0),
        // Growing by what is asked for, the heap has no spare end.
        ("M_TOP_PAD", TOP_PAD, 0),
    ])
}

/// Gives back what is free within the heap as well: small tensors leave holes there that the thresholds do not close.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn trim() {
    #[expect(unsafe_code, reason = "malloc_trim has no safe wrapper; it only returns free pages")]
    // Whether anything was free does not matter.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Adds blocks that fill up what is free within the heap, so that new ones make it grow: as long as they are kept.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn fill_holes(blocks: &mut Vec<Vec<u8>>) {
    #[expect(unsafe_code, reason = "sbrk(0) has no safe wrapper; it only tells where the heap ends")]
    let end = || unsafe { libc::sbrk(0) };
    // Also joins small free blocks, which are kept apart by size.
    trim();
    // The largest first; a size for which the heap had to grow has no hole left.
    for size in [2048, 1024, 512, 256, 128, 64, 24] {
        let before = end();
        while end() == before && blocks.len() < MAX_FILLING {
            blocks.push(Vec::with_capacity(size));
        }
    }
}

/// Other C libraries have holes of other kinds.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn fill_holes(_: &mut Vec<Vec<u8>>) {}

/// Bytes that the allocator took from the system: the heap with all gaps in it, and blocks mapped one by one with their
/// last page rounded up. Counted modulo 4 GiB, so only differences mean something: `mallinfo2`, which does not wrap, is
/// missing in the C libraries of many boards.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn taken() -> Option<u32> {
    #[expect(unsafe_code, reason = "mallinfo has no safe wrapper; it only reads counters")]
    let counts = unsafe { libc::mallinfo() };
    Some(counts.arena.wrapping_add(counts.hblkhd).cast_unsigned())
}

/// Other C libraries do not say.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn taken() -> Option<u32> {
    None
}

/// Other C libraries refuse [`return_memory`] before this is reached.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn trim() {}

/// Makes the allocator keep freed memory for the process: large tensors that come and go in every step then cost no page
/// faults, and what one thread has freed another can use.
///
/// # Errors
/// If the C library refuses an option.
pub fn retain() -> Result<(), String> {
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
    Err("this C library's allocator cannot be controlled; the allocator `system` leaves it as it is".to_owned())
}
