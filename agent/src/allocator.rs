//! Control of glibc's allocator, before the runtime allocates anything large.
//!
//! By default glibc maps large tensors again for every layer and returns their pages afterwards, so latencies depend on page
//! faults and differ systematically between networks. Retaining memory avoids this.

use nasprof_profiler::protocol::Allocator;

/// Blocks requested from the kernel grow by this much.
const TOP_PAD_BYTES: i32 = 64 << 20;

/// Maximum number of blocks that fill up the heap; about ten MiB if all have the smallest size.
const MAX_FILLING: usize = 200_000;

/// Applies the setting to this process; call it before libtorch allocates memory.
///
/// # Errors
/// If the C library refuses an option; the LUT's context would then be wrong.
pub fn apply(allocator: Allocator) -> Result<(), String> {
    match allocator {
        Allocator::System => Ok(()),
        Allocator::Retain => retain(),
    }
}

/// Makes the allocator return every freed block to the system, so that resident memory is the memory in use.
///
/// # Errors
/// If the C library refuses an option.
pub fn return_memory() -> Result<(), String> {
    // With a fixed threshold, glibc does not raise it after the first large block.
    options(&[
        // All but the smallest tensors are mapped separately: in the heap they would leave resident holes.
        ("M_MMAP_THRESHOLD", MMAP_THRESHOLD, 4 << 10),
        ("M_TRIM_THRESHOLD", TRIM_THRESHOLD, 0),
        // Without padding, the heap has no spare memory at its end.
        ("M_TOP_PAD", TOP_PAD, 0),
    ])
}

/// Also returns free memory inside the heap: small tensors leave holes there, despite the thresholds.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn trim() {
    #[expect(unsafe_code, reason = "malloc_trim has no safe wrapper; it only returns free pages")]
    // The result says whether memory was free, which does not matter.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Adds blocks that fill the free memory inside the heap. While `blocks` is kept, new blocks make the heap grow.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn fill_holes(blocks: &mut Vec<Vec<u8>>) {
    #[expect(unsafe_code, reason = "sbrk(0) has no safe wrapper; it only tells where the heap ends")]
    let end = || unsafe { libc::sbrk(0) };
    // Also joins small free blocks, which glibc keeps in lists by size.
    trim();
    // The largest size first. When the heap grows, no hole of this size is left.
    for size in [2048, 1024, 512, 256, 128, 64, 24] {
        let before = end();
        while end() == before && blocks.len() < MAX_FILLING {
            blocks.push(Vec::with_capacity(size));
        }
    }
}

/// Does nothing with other C libraries, whose heaps have other holes.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn fill_holes(_: &mut Vec<Vec<u8>>) {}

/// Bytes that the allocator took from the system: the heap with all its gaps, and separately mapped blocks in whole pages.
/// Counted modulo 4 GiB, so only differences are meaningful: `mallinfo2`, which does not wrap, is missing in the C libraries
/// of many boards.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn taken() -> Option<u32> {
    #[expect(unsafe_code, reason = "mallinfo has no safe wrapper; it only reads counters")]
    let counts = unsafe { libc::mallinfo() };
    Some(counts.arena.wrapping_add(counts.hblkhd).cast_unsigned())
}

/// Unknown with other C libraries.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn taken() -> Option<u32> {
    None
}

/// Not reached with other C libraries: they refuse [`return_memory`] first.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn trim() {}

/// Makes the allocator keep freed memory for the process. Large tensors that are allocated in every step then cause no page
/// faults, and threads can reuse each other's freed memory.
///
/// # Errors
/// If the C library refuses an option.
pub fn retain() -> Result<(), String> {
    options(&[
        ("M_MMAP_MAX", MMAP_MAX, 0),
        // -1 is the largest threshold: the heap never shrinks.
        ("M_TRIM_THRESHOLD", TRIM_THRESHOLD, -1),
        ("M_TOP_PAD", TOP_PAD, TOP_PAD_BYTES),
        // Otherwise worker threads would use their own arenas, which map and unmap memory.
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
