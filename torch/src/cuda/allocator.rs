//! Counters of libtorch's memory allocator on a GPU.

use std::ffi::{c_int, c_longlong};

#[expect(unsafe_code, reason = "functions of our own allocator.cpp; they catch what libtorch throws")]
unsafe extern "C" {
    fn nasprof_cuda_allocated(device: c_int, now: *mut c_longlong, peak: *mut c_longlong) -> c_int;
    fn nasprof_cuda_reset_peak(device: c_int) -> c_int;
}

/// Bytes in use now, and their peak since the last reset. `None` without this allocator.
pub(super) fn allocated(device: u32) -> Option<(u64, u64)> {
    let (mut now, mut peak) = (0, 0);
    let device = c_int::try_from(device).ok()?;
    #[expect(unsafe_code, reason = "both pointers are to locals that live through the call")]
    let failed = unsafe { nasprof_cuda_allocated(device, &mut now, &mut peak) };
    (failed == 0).then_some((u64::try_from(now).ok()?, u64::try_from(peak).ok()?))
}

/// Resets the peak. `None` without this allocator.
pub(super) fn reset_peak(device: u32) -> Option<()> {
    let device = c_int::try_from(device).ok()?;
    #[expect(unsafe_code, reason = "takes a number")]
    let failed = unsafe { nasprof_cuda_reset_peak(device) };
    (failed == 0).then_some(())
}

#[cfg(test)]
mod tests {
    /// Without CUDA loaded there is no number, and no exception that ends the program.
    #[test]
    fn no_allocator_is_no_number() {
        assert_eq!(super::allocated(0), None);
        assert_eq!(super::reset_peak(0), None);
    }
}
